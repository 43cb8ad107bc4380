"""The BareMetal image gateway. It enforces policies on image creation in Yandex Cloud, and traces calls."""

__version__ = "0.1.0"
