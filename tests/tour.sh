#!/bin/sh
# A tour of qmsg: a server and three users on a free port of this machine, in a directory that is
# removed afterwards. Shows each command before running it, checks its output, and fails loudly.
#
#     sh tests/tour.sh                      builds qmsg, then takes the tour
#     QMSG_BIN=/path/to/qmsg sh tests/tour.sh      with that one

set -eu

case ${QMSG_BIN:-/} in /*) ;; *) QMSG_BIN=$PWD/$QMSG_BIN ;; esac
cd "$(dirname "$0")/.."
if [ -z "${QMSG_BIN:-}" ]; then
    echo 'Building qmsg; the first time this takes a few minutes.'
    cargo build --locked --release --bin qmsg
    target=${CARGO_TARGET_DIR:-target}
    case $target in /*) ;; *) target=$PWD/$target ;; esac
    QMSG_BIN=$target/release/qmsg
fi
[ -x "$QMSG_BIN" ] || { echo "tour: no program at $QMSG_BIN" >&2; exit 1; }

dir=$(mktemp -d)
server='' listener=''
clean_up() {
    for child in $listener $server; do
        kill "$child" 2>/dev/null || true
        wait "$child" 2>/dev/null || true
    done
    rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' HUP TERM

# A home of its own, and nothing of the caller's settings.
mkdir "$dir/home" "$dir/bin"
ln -s "$QMSG_BIN" "$dir/bin/qmsg"
for name in $(env | sed -n 's/^\(QMSG_[A-Z_]*\)=.*/\1/p') XDG_DATA_HOME STATE_DIRECTORY; do
    unset "$name"
done
HOME=$dir/home PATH=$dir/bin:$PATH
export HOME PATH
cd "$HOME"

heading() {
    printf '\n\n== %s\n' "$1"
}

fail() {
    printf '\ntour: FAILED: %s\n' "$1" >&2
    exit 1
}

# try CODE LINE: shows a shell line, runs it, shows its output; checks its exit code.
try() {
    printf '\n$ %s\n' "$2"
    code=0
    (eval "$2") > "$dir/said" 2>&1 || code=$?
    cat "$dir/said"
    [ "$code" -eq 0 ] || printf '(code %s)\n' "$code"
    [ "$code" -eq "$1" ] || fail "code $code instead of $1"
}

# says TEXT...: checks that the last output contains each of these texts.
says() {
    for text in "$@"; do
        grep -qF -e "$text" "$dir/said" || fail "it does not say \"$text\""
    done
}

# serve ADDR:PORT: starts the server and waits for the line with its address.
serve() {
    printf '\n$ qmsg serve --listen %s &\n' "$1"
    rm -f "$dir/announced"
    mkfifo "$dir/announced"
    qmsg serve --listen "$1" 2> "$dir/announced" &
    server=$!
    # Kept open for later output of the server.
    exec 3< "$dir/announced"
    read -r line <&3 || fail 'the server does not start'
    printf '%s\n' "$line"
    case $line in
    'qmsg: listening on '*' pin SHA256:'*) ;;
    *) fail 'the server does not say where it listens' ;;
    esac
    line=${line#qmsg: listening on }
    QMSG_SERVER=${line%% *}
    export QMSG_SERVER
}

heading 'A server, on a free port'
serve 127.0.0.1:0
printf '\n$ export QMSG_SERVER=%s\n' "$QMSG_SERVER"

heading 'Two users; from now on each id belongs to a key'
try 0 'qmsg join alice'
says 'as alice'
try 0 'qmsg join bob'
says 'as bob'

heading 'Bob listens, alice sends the output of a command'
printf '\n$ qmsg listen --as bob --count 1 &\n'
qmsg listen --as bob --count 1 --timeout 1m > "$dir/bob" 2>&1 &
listener=$!
try 0 'echo "disk 91 % full" | qmsg send bob --as alice'
wait "$listener" || fail "bob's listener ended with code $?"
listener=''
printf '\nbob sees:\n'
cat "$dir/bob"
cp "$dir/bob" "$dir/said"
says 'disk 91 % full'

heading 'A room'
try 0 'qmsg join @ops --as alice'
try 0 'qmsg join @ops --as bob'
says 'bob is now in @ops'
try 0 'qmsg send @ops --as alice deploying version 7'
try 0 'qmsg listen --as bob --poll'
says 'deploying version 7'

heading 'Nobody listens: messages wait'
try 0 'printf "one\ntwo\nthree\n" | qmsg send --lines bob --as alice'
try 0 'qmsg listen --as bob --poll'
printf 'one\ntwo\nthree\n' | cmp -s - "$dir/said" || fail 'not these three lines in this order'
try 0 'qmsg listen --as bob --poll'
[ ! -s "$dir/said" ] || fail 'a message that was printed is offered again'

heading 'A broadcast'
try 0 'qmsg join carol'
try 0 'qmsg send @all --as alice the office closes at six'
for user in bob carol; do
    try 0 "qmsg listen --as $user --poll"
    says 'the office closes at six'
done

heading 'Any bytes'
try 0 'head -c 300000 /dev/urandom > noise; qmsg send carol --as bob --file noise'
try 0 'qmsg listen --as carol --count 1 --raw | cmp - noise && echo the same bytes'
says 'the same bytes'

heading 'Errors, and how a script recognises them'
try 67 'qmsg send nobody --as alice hello'
says 'no such user'
mkdir elsewhere
try 77 'HOME=~/elsewhere qmsg join alice'
says 'alice belongs to another key'

heading 'The server dies; the messages it had accepted are still there'
try 0 'echo "survive this" | qmsg send bob --as alice'
printf '\n$ kill -9 %s    # the server\n' "$server"
kill -9 "$server"
wait "$server" 2>/dev/null || true
server=''
try 69 'qmsg send bob --as alice --timeout 500ms "nobody is there"'
serve "$QMSG_SERVER"
try 0 'qmsg listen --as bob --poll'
says 'survive this'

printf '\n\nEnd of the tour: everything worked.\n'
