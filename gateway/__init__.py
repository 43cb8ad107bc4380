"""The BareMetal image gateway: judged, traced image creation in Yandex Cloud."""

__version__ = "0.1.0"
