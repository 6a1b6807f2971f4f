# syntax=docker/dockerfile:1
# docker build -t affekt .
# docker run --rm -p 127.0.0.1:8000:8000 affekt
# docker run --rm -v "$PWD:/data:ro" affekt predict /data/call.wav
FROM python:3.12-slim AS build
WORKDIR /src
RUN python -m venv /opt/affekt
# What affekt needs changes less often than affekt: this layer is built once.
COPY constraints.txt ./
RUN /opt/affekt/bin/pip install --no-cache-dir -r constraints.txt
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY src src
RUN /opt/affekt/bin/pip install --no-cache-dir -c constraints.txt ".[serve]"

FROM python:3.12-slim
LABEL org.opencontainers.image.title="affekt" \
      org.opencontainers.image.description="Emotion recognition in voices, faces and text: a server and a command" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin affekt
COPY --from=build /opt/affekt /opt/affekt
ENV PATH=/opt/affekt/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
ENTRYPOINT ["affekt"]
# Inside a container 0.0.0.0 is what lets the port be published; the server then asks for a token, and says which.
CMD ["serve", "--host", "0.0.0.0"]
