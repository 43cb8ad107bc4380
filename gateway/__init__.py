"""The BareMetal image gateway. It enforces policy on image creation in Yandex Cloud, and traces calls."""

__version__ = "0.1.0"
