"""The BareMetal image gateway: enforces policy on image creation in Yandex Cloud, and traces it."""

__version__ = "0.1.0"
