"""The processes of a run: addresses and roles (TF_CONFIG), servers, and the local cluster."""
