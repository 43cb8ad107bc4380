# Two stages, so that the image does not contain the build tools.
FROM python:3.11-slim-bookworm AS build
WORKDIR /build
RUN python -m venv /opt/build && python -m venv --without-pip /opt/gateway
COPY requirements/ requirements/
RUN /opt/build/bin/pip install --no-cache-dir --require-hashes -r requirements/dev.txt \
 && /opt/build/bin/pip --python /opt/gateway/bin/python install --no-cache-dir --require-hashes -r requirements/run.txt
COPY pyproject.toml hatch_build.py README.md LICENSE CHANGELOG.md ./
COPY proto/ proto/
COPY policies/ policies/
COPY gateway/ gateway/
RUN /opt/build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir dist . \
 && /opt/build/bin/pip --python /opt/gateway/bin/python install --no-cache-dir --no-deps dist/*.whl

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --no-create-home gateway \
 && install --directory --owner=gateway --group=gateway --mode=0750 /var/lib/baremetal-gateway \
 && pip uninstall --yes --quiet setuptools wheel pip
COPY --from=build /opt/gateway /opt/gateway
COPY policies/ /etc/baremetal-gateway/policies/
COPY deploy/gateway.yaml /etc/baremetal-gateway/gateway.yaml
WORKDIR /etc/baremetal-gateway
ENV PATH=/opt/gateway/bin:$PATH PYTHONUNBUFFERED=1
USER 10001
# The ledger. Keep this volume when the container is replaced.
VOLUME /var/lib/baremetal-gateway
EXPOSE 8080 8081 9090
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD \
  ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9090/readyz', timeout=2)"]
ENTRYPOINT ["baremetal-gateway"]
CMD ["serve", "--config", "/etc/baremetal-gateway/gateway.yaml"]
