"""The edge: console, settings, the nightly run and the BentoML service. The only readers of clock and environment."""
