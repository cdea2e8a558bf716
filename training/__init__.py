"""Training: snapshots, targets, fitting, evaluation, tracking, promotion, and the simulator. The only importer of mlflow."""
