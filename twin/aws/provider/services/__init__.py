"""One module per AWS service, named as in Pulumi's tokens: `aws:sqs/queue:Queue` lives in `sqs`."""
