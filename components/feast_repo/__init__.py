"""Files of a Feast feature repository, written to the features bucket as they are."""
