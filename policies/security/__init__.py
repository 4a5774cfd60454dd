"""Security: what keeps data, machines and permissions from those they are not for."""
