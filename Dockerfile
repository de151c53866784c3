# Two images. The default one has what bundles build with: sh, Python, uv. `--target slim` is the binary alone, for
# bundles whose wheels are built elsewhere. Both run as root, because a container action must: the workspace belongs
# to whoever the runner is.
#
# Every base is an argument, and so is where the binary and uv come from (`build`/`install` here, or `copy` from
# dist/): the images can be built where no image registry is reached, as `make image` does.
ARG BASE=docker.io/library/python:3.13-slim-trixie
ARG BUILD_BASE=docker.io/library/rust:1.95-slim-trixie
ARG BINARY=build
ARG UV=install

FROM ${BUILD_BASE} AS binary-build
RUN apt-get update && apt-get install --yes --no-install-recommends musl-tools && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY rust-toolchain.toml Cargo.toml Cargo.lock ./
RUN rustup target add "$(uname -m)-unknown-linux-musl"
COPY src src
RUN cargo build --locked --profile dist --no-default-features --bin mlops-deploy --target "$(uname -m)-unknown-linux-musl" \
    && cp "target/$(uname -m)-unknown-linux-musl/dist/mlops-deploy" /mlops-deploy

FROM scratch AS binary-copy
COPY dist/mlops-deploy /mlops-deploy

FROM binary-${BINARY} AS binary

FROM ${BASE} AS uv-install
COPY tools/uv.txt /uv.txt
RUN python3 -m venv /venv && /venv/bin/pip install --no-cache-dir --require-hashes -r /uv.txt && cp /venv/bin/uv /uv

FROM scratch AS uv-copy
COPY dist/uv /uv

FROM uv-${UV} AS uv

# What an empty image lacks: a place for temporary files, whom to trust, and the name of the post step, which is how
# the binary knows that it is one.
FROM ${BASE} AS rootfs
RUN install -d -m 1777 /rootfs/tmp && install -d /rootfs/usr/local/bin \
    && ln -s mlops-deploy /rootfs/usr/local/bin/mlops-deploy-settle \
    && install -D -m 644 /etc/ssl/certs/ca-certificates.crt /rootfs/etc/ssl/certs/ca-certificates.crt

FROM scratch AS slim
COPY --from=rootfs /rootfs/ /
COPY --from=binary --chmod=755 /mlops-deploy /usr/local/bin/mlops-deploy
# No shell in between: dash drops variables with a hyphen in their name, and inputs have them.
ENTRYPOINT ["/usr/local/bin/mlops-deploy"]

FROM ${BASE} AS full
COPY --from=rootfs /rootfs/usr/local/bin/ /usr/local/bin/
COPY --from=uv --chmod=755 /uv /usr/local/bin/uv
COPY --from=binary --chmod=755 /mlops-deploy /usr/local/bin/mlops-deploy
ENTRYPOINT ["/usr/local/bin/mlops-deploy"]
