"""Renewal of the schemas: fetched from the pinned Go modules, written beside the code that reads them."""
