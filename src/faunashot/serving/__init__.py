"""The model behind MLflow's scoring server."""
