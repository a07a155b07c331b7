# The image of jwtd: one program, its libraries, certificates and migrations, in less than 20 MiB; no shell, no package manager. It runs
# as user 10001, and writes nothing but keys into /var/lib/jwtd, so that the root file system can be read-only:
#
#   docker build -t jwtd --build-arg COMMIT="$(git describe --always --abbrev=12 --exclude='*' --dirty)" .
#   docker run --read-only --cap-drop all -v jwtd:/var/lib/jwtd -e JWTD_DATABASE_URL=... jwtd keygen --if-missing
#   docker run --read-only --cap-drop all -v jwtd:/var/lib/jwtd -e JWTD_DATABASE_URL=... -p 8080:8080 jwtd
#
# compose.yaml has the database, too. `make package-check` assembles the same tree, and runs it as the lines below say.
FROM debian:12-slim AS build
WORKDIR /source
COPY tools/packages.sh tools/packages.sh
RUN tools/packages.sh build && rm -rf /var/lib/apt/lists
COPY . .
# Of jwtd --version and jwtd_build_info; .git is not in the context.
ARG COMMIT=unknown
RUN make -s -j"$(nproc)" COMMIT="$COMMIT" build/jwtd && tools/image_tree.sh build/jwtd /tree && install -d -m 700 /state

FROM scratch
COPY --from=build /tree /
COPY --from=build --chown=10001:10001 /state /var/lib/jwtd
USER 10001:10001
WORKDIR /var/lib/jwtd
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
VOLUME /var/lib/jwtd
EXPOSE 8080 9464
STOPSIGNAL SIGTERM
# Whether it is alive, not whether it is ready: a database that is away is no reason to replace it.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["/usr/bin/jwtd", "--config", "/etc/jwtd/jwtd.conf", "health"]
ENTRYPOINT ["/usr/bin/jwtd", "--config", "/etc/jwtd/jwtd.conf"]
CMD ["serve"]
