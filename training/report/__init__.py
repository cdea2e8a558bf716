"""What is said about a training: resampling, calibration against a null, rivals, drift, fairness, and the documents made from them."""
