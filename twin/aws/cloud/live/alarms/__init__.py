"""CloudWatch's alarms, alive: what they see, what state that is, and whom they tell."""
