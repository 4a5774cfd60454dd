"""What is watched, and how: objectives, alarms and dashboards as plain descriptions, before any resource."""
