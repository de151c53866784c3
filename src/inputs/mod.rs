//! Environment and `mlops-deploy.yml` to a typed request, with every mistake at once.
