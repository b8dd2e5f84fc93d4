"""The transformers engine's process: `python -m inference.engines.transformers_server`. It knows neither database nor
settings; everything comes from its command line and from requests. Only `__main__` is meant to be imported from outside,
and only by Python itself."""
