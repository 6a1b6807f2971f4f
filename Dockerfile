# syntax=docker/dockerfile:1
FROM python:3.12-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN python -m venv /opt/affekt && /opt/affekt/bin/pip install --no-cache-dir ".[serve]"

FROM python:3.12-slim
LABEL org.opencontainers.image.title="affekt" \
      org.opencontainers.image.description="Emotion recognition from the voice, as a server" \
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
# Inside a container 0.0.0.0 is what lets the port be published; who can reach it is said where it is published.
ENTRYPOINT ["affekt", "serve", "--host", "0.0.0.0"]
