#!/bin/sh
# Install what tests and benchmarks need of others: Debian packages, and in .peers/ Cyrus, nodemailer, oidc-provider,
# imapflow and test suites.
#
# Nothing is asked, no daemon is started and none is left running. When everything is there this ends at once.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
packages="postfix opendkim opendkim-tools postgresql-15 swaks libnet-ssleay-perl strace iproute2 procps util-linux
    libsasl2-modules libsasl2-modules-db sasl2-bin wrk nginx-light chromium curl systemd dovecot-imapd"
nodemailer=10.6.0
oidc_provider=9.13.3
imapflow=2.10.2
policy=/usr/sbin/policy-rc.d

say() { printf 'peers: %s\n' "$*" >&2; }

missing_packages() {
    # shellcheck disable=SC2086 # a list of words
    known=$(dpkg-query -W -f '|${Package} ${db:Status-Status}|' $packages 2>/dev/null || :)
    for package in $packages; do
        case $known in
            *"|$package installed|"*) ;;
            *) printf '%s ' "$package" ;;
        esac
    done
    # From wherever they come: Debian's npm brings hundreds of packages.
    command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1 || printf 'nodejs npm '
}

restore_policy() {
    status=$?
    trap - EXIT HUP INT TERM
    rm -f "$policy"
    [ ! -e "$saved/policy-rc.d" ] && [ ! -L "$saved/policy-rc.d" ] || mv "$saved/policy-rc.d" "$policy"
    rm -rf "$saved"
    exit "$status"
}

# Forbid that an installation starts daemons (invoke-rc.d asks this program), and put back what stood there.
forbid_daemons() {
    saved=$(mktemp -d "$policy.saved-XXXXXX")
    trap restore_policy EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    [ ! -e "$policy" ] && [ ! -L "$policy" ] || mv "$policy" "$saved/policy-rc.d"
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
}

install_packages() {
    if [ "$(id -u)" -ne 0 ]; then
        say "these are missing: $1"
        say "installing them needs root:  sudo make peers"
        exit 1
    fi
    if ! command -v apt-get >/dev/null 2>&1; then
        say "this is no Debian; install by hand: $1"
        exit 1
    fi
    export DEBIAN_FRONTEND=noninteractive
    (
        forbid_daemons
        apt-get -q update
        # Postfix asks what kind of host this is. "No configuration": tests bring their own.
        echo 'postfix postfix/main_mailer_type select No configuration' | debconf-set-selections
        # The cluster that postgresql-15 would make on its own is nobody's; tests make theirs.
        if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
            mkdir -p /etc/postgresql-common
            echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
        fi
        # Without a question about changed configuration files: what is there stays. Without an fsync for each file,
        # which takes longer than all the rest: should the machine lose power meanwhile, install them again.
        # shellcheck disable=SC2086 # a list of words
        apt-get -q -y --no-install-recommends -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
            -o Dpkg::Options::=--force-unsafe-io install $1
    ) >&2
}

# A package of npm in a folder of its own: npm takes away what is beside what it installs without saving.
install_npm() { # name, version, folder
    package="$3/node_modules/$1/package.json"
    here=$(sed -n 's/^ *"version": *"\([^"]*\)".*/\1/p' "$package" 2>/dev/null || :)
    [ "$here" != "$2" ] || return 0
    say "installing $1 $2 into ${3#"$root"/}"
    mkdir -p "$3"
    npm install --prefix "$3" --no-save --ignore-scripts --no-audit --no-fund --loglevel error "$1@$2" >&2
}

# Suites that are in nobody's installed package, only in its source: what requirements/suites.txt locks, by hash.
install_suites() {
    stamp=$(sha256sum <"$root/requirements/suites.txt")
    [ "$(cat "$root/.peers/suites/.stamp" 2>/dev/null)" != "$stamp" ] || return 0
    say "fetching test suites into .peers/suites"
    "$root/tools/environment.sh" dev
    rm -rf "$root/.peers/suites"
    mkdir -p "$root/.peers/suites/sources"
    # What pip builds to read a package's name may come as wheels; the packages themselves may not.
    names=$(sed -n 's/^\([a-z][a-z0-9.-]*\)==.*/\1/p' "$root/requirements/suites.txt" | paste -sd, -)
    "$root/.bootstrap/bin/python" -m pip download --quiet --disable-pip-version-check --no-input --no-deps \
        --no-binary "$names" --require-hashes -r "$root/requirements/suites.txt" --dest "$root/.peers/suites/sources" >&2
    for source in "$root/.peers/suites/sources"/*.tar.gz; do
        tar -xzf "$source" -C "$root/.peers/suites" --no-same-owner
    done
    printf '%s' "$stamp" >"$root/.peers/suites/.stamp"
}

# The fuzzer is no part of the environment: not every machine has a wheel of it.
install_fuzzer() {
    stamp=$(sha256sum <"$root/requirements/fuzz.txt")
    [ "$(cat "$root/.peers/fuzz/.stamp" 2>/dev/null)" != "$stamp" ] || return 0
    say "fetching the fuzzer into .peers/fuzz"
    "$root/tools/environment.sh" dev
    rm -rf "$root/.peers/fuzz"
    if "$root/.bootstrap/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --only-binary :all: \
        --require-hashes -r "$root/requirements/fuzz.txt" --target "$root/.peers/fuzz" >&2; then
        printf '%s' "$stamp" >"$root/.peers/fuzz/.stamp"
    else
        say "there is no fuzzer for this machine: make soak goes without it"
    fi
}

# Debian's Cyrus excludes its Dovecot, so it is only unpacked, with those of its libraries that are not installed.
install_cyrus() {
    [ ! -x "$root/.peers/cyrus/usr/lib/cyrus/bin/imapd" ] || return 0
    if ! command -v apt-get >/dev/null 2>&1; then
        say "this is no Debian; unpack cyrus-imapd and cyrus-common by hand into .peers/cyrus"
        exit 1
    fi
    say "unpacking Cyrus into .peers/cyrus"
    wanted="cyrus-imapd cyrus-common"
    for library in libical3 libicu72 libjansson4 libldap-2.5-0 libpcre3 libpq5 libwrap0 libxapian30 libxml2; do
        dpkg-query -W -f '${db:Status-Status}' "$library" 2>/dev/null | grep -qx installed || wanted="$wanted $library"
    done
    new="$root/.peers/cyrus.new"
    rm -rf "$new" "$root/.peers/cyrus"
    mkdir -p "$new/packages"
    (
        cd "$new/packages"
        # shellcheck disable=SC2086 # a list of words
        apt-get -q download $wanted || { apt-get -q update && apt-get -q download $wanted; }
        for package in ./*.deb; do dpkg -x "$package" "$new"; done
    ) >&2
    rm -rf "$new/packages"
    # Complete, or not there at all.
    mv "$new" "$root/.peers/cyrus"
}

missing=$(missing_packages)
if [ -n "$missing" ]; then
    say "installing $missing"
    install_packages "$missing"
fi
install_cyrus
install_npm nodemailer "$nodemailer" "$root/.peers"
install_npm oidc-provider "$oidc_provider" "$root/.peers/oidc"
install_npm imapflow "$imapflow" "$root/.peers/imapflow"
install_suites
install_fuzzer
say "everything is there"
