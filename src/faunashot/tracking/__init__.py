"""The one place that knows MLflow's runs and registry."""
