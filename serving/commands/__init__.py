"""The commands of `scoring`, one module per stage; `serving.console` gathers them."""
