# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_qmsg_global_optspecs
    string join \n q/quiet v/verbose color= h/help V/version
end

function __fish_qmsg_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_qmsg_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_qmsg_using_subcommand
    set -l cmd (__fish_qmsg_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c qmsg -n "__fish_qmsg_needs_command" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'On a terminal, even if `NO_COLOR` is set'
never\t'Nowhere'"
complete -c qmsg -n "__fish_qmsg_needs_command" -s q -l quiet -d 'Say nothing but errors'
complete -c qmsg -n "__fish_qmsg_needs_command" -s v -l verbose -d 'Say more on stderr; -vv says even more'
complete -c qmsg -n "__fish_qmsg_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c qmsg -n "__fish_qmsg_needs_command" -s V -l version -d 'Print version'
complete -c qmsg -n "__fish_qmsg_needs_command" -f -a "serve" -d 'Run the server'
complete -c qmsg -n "__fish_qmsg_needs_command" -f -a "join" -d 'Claim an id on a server, or become a member of a room'
complete -c qmsg -n "__fish_qmsg_needs_command" -f -a "leave" -d 'End the membership of a room'
complete -c qmsg -n "__fish_qmsg_needs_command" -f -a "send" -d 'Send a message to a user, a room, or everyone'
complete -c qmsg -n "__fish_qmsg_needs_command" -f -a "listen" -d 'Print messages as they arrive, and first those that are waiting'
complete -c qmsg -n "__fish_qmsg_needs_command" -f -a "invite" -d 'Print a ticket with which somebody else can join'
complete -c qmsg -n "__fish_qmsg_needs_command" -f -a "bench" -d 'Measure a server'
complete -c qmsg -n "__fish_qmsg_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c qmsg -n "__fish_qmsg_using_subcommand serve" -s l -l listen -d 'Address and UDP port to listen on; port 0 takes a free one' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand serve" -l data -d 'Directory for messages and keys' -r -F
complete -c qmsg -n "__fish_qmsg_using_subcommand serve" -l certs -d 'Directory with a cert.pem and key.pem of your own' -r -F
complete -c qmsg -n "__fish_qmsg_using_subcommand serve" -l threads -d 'Threads that handle connections' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand serve" -l max-body -d 'Longest body of a message' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand serve" -l max-mailbox -d 'Most unread messages of a user, and most messages of a room' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand serve" -l max-mailbox-bytes -d 'Most bytes of unread messages of a user, and of messages of a room' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand serve" -l max-store -d 'Most bytes of the store\'s file; beyond it the disk counts as full' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand serve" -l max-links -d 'Most connections at one time' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand serve" -l max-users -d 'Most users' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand serve" -l max-rooms -d 'Most rooms' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand serve" -l keep -d 'How long a message is kept when all its readers have processed it' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand serve" -l keep-unread -d 'How long a message is kept when nobody processes it' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand serve" -l duplicate-window -d 'How long message ids are remembered, so that a repeated message is noticed' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand serve" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'On a terminal, even if `NO_COLOR` is set'
never\t'Nowhere'"
complete -c qmsg -n "__fish_qmsg_using_subcommand serve" -l open -d 'Let anybody who reaches the server claim an id, without a ticket'
complete -c qmsg -n "__fish_qmsg_using_subcommand serve" -l json -d 'Also print the address and the pin on stdout, as a JSON object'
complete -c qmsg -n "__fish_qmsg_using_subcommand serve" -s q -l quiet -d 'Say nothing but errors'
complete -c qmsg -n "__fish_qmsg_using_subcommand serve" -s v -l verbose -d 'Say more on stderr; -vv says even more'
complete -c qmsg -n "__fish_qmsg_using_subcommand serve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c qmsg -n "__fish_qmsg_using_subcommand join" -l as -d 'Act as this id' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand join" -s s -l server -d 'The server to talk to' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand join" -l pin -d 'The pin of the server\'s key, as `qmsg serve` prints it' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand join" -l timeout -d 'Give up when the server has not answered for this long' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand join" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'On a terminal, even if `NO_COLOR` is set'
never\t'Nowhere'"
complete -c qmsg -n "__fish_qmsg_using_subcommand join" -l trust -d 'Trust whatever key the server shows this first time'
complete -c qmsg -n "__fish_qmsg_using_subcommand join" -l json -d 'Print what was done as a JSON object'
complete -c qmsg -n "__fish_qmsg_using_subcommand join" -s q -l quiet -d 'Say nothing but errors'
complete -c qmsg -n "__fish_qmsg_using_subcommand join" -s v -l verbose -d 'Say more on stderr; -vv says even more'
complete -c qmsg -n "__fish_qmsg_using_subcommand join" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c qmsg -n "__fish_qmsg_using_subcommand leave" -l as -d 'Act as this id' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand leave" -s s -l server -d 'The server to talk to' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand leave" -l timeout -d 'Give up when the server has not answered for this long' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand leave" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'On a terminal, even if `NO_COLOR` is set'
never\t'Nowhere'"
complete -c qmsg -n "__fish_qmsg_using_subcommand leave" -l json -d 'Print what was done as a JSON object'
complete -c qmsg -n "__fish_qmsg_using_subcommand leave" -s q -l quiet -d 'Say nothing but errors'
complete -c qmsg -n "__fish_qmsg_using_subcommand leave" -s v -l verbose -d 'Say more on stderr; -vv says even more'
complete -c qmsg -n "__fish_qmsg_using_subcommand leave" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c qmsg -n "__fish_qmsg_using_subcommand send" -s f -l file -d 'Read the message from a file instead of stdin' -r -F
complete -c qmsg -n "__fish_qmsg_using_subcommand send" -l as -d 'Act as this id' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand send" -s s -l server -d 'The server to talk to' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand send" -l timeout -d 'Give up when the server has not answered for this long' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand send" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'On a terminal, even if `NO_COLOR` is set'
never\t'Nowhere'"
complete -c qmsg -n "__fish_qmsg_using_subcommand send" -s l -l lines -d 'Send each line of the input as one message, without its newline'
complete -c qmsg -n "__fish_qmsg_using_subcommand send" -s 0 -l null -d 'Send each NUL-terminated piece of the input as one message'
complete -c qmsg -n "__fish_qmsg_using_subcommand send" -l volatile -d 'Only for those who listen now: neither stored nor repeated'
complete -c qmsg -n "__fish_qmsg_using_subcommand send" -l json -d 'Print a JSON object for each message and target'
complete -c qmsg -n "__fish_qmsg_using_subcommand send" -s q -l quiet -d 'Say nothing but errors'
complete -c qmsg -n "__fish_qmsg_using_subcommand send" -s v -l verbose -d 'Say more on stderr; -vv says even more'
complete -c qmsg -n "__fish_qmsg_using_subcommand send" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c qmsg -n "__fish_qmsg_using_subcommand listen" -l as -d 'Act as this id' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand listen" -s s -l server -d 'The server to talk to' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand listen" -s n -l count -d 'End after this many messages' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand listen" -l timeout -d 'End after this time' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand listen" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'On a terminal, even if `NO_COLOR` is set'
never\t'Nowhere'"
complete -c qmsg -n "__fish_qmsg_using_subcommand listen" -l poll -d 'End once everything that was waiting has been printed'
complete -c qmsg -n "__fish_qmsg_using_subcommand listen" -l json -d 'Print a JSON object for each message'
complete -c qmsg -n "__fish_qmsg_using_subcommand listen" -l raw -d 'Print bodies byte for byte, with nothing added'
complete -c qmsg -n "__fish_qmsg_using_subcommand listen" -s 0 -l null -d 'Print bodies byte for byte, each followed by a NUL'
complete -c qmsg -n "__fish_qmsg_using_subcommand listen" -s q -l quiet -d 'Say nothing but errors'
complete -c qmsg -n "__fish_qmsg_using_subcommand listen" -s v -l verbose -d 'Say more on stderr; -vv says even more'
complete -c qmsg -n "__fish_qmsg_using_subcommand listen" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c qmsg -n "__fish_qmsg_using_subcommand invite" -l data -d 'The server\'s data directory, if it was started with --data' -r -F
complete -c qmsg -n "__fish_qmsg_using_subcommand invite" -l certs -d 'The directory of the server\'s certificate, if it was started with --certs' -r -F
complete -c qmsg -n "__fish_qmsg_using_subcommand invite" -l expires -d 'How long the ticket is good for' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand invite" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'On a terminal, even if `NO_COLOR` is set'
never\t'Nowhere'"
complete -c qmsg -n "__fish_qmsg_using_subcommand invite" -s q -l quiet -d 'Say nothing but errors'
complete -c qmsg -n "__fish_qmsg_using_subcommand invite" -s v -l verbose -d 'Say more on stderr; -vv says even more'
complete -c qmsg -n "__fish_qmsg_using_subcommand invite" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and not __fish_seen_subcommand_from latency throughput fanout idle connect durable help" -s s -l server -d 'Measure this server instead of one started for it' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and not __fish_seen_subcommand_from latency throughput fanout idle connect durable help" -l pin -d 'The pin of that server\'s key, as `qmsg serve` prints it' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and not __fish_seen_subcommand_from latency throughput fanout idle connect durable help" -l timeout -d 'Give up when nothing has arrived for this long' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and not __fish_seen_subcommand_from latency throughput fanout idle connect durable help" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'On a terminal, even if `NO_COLOR` is set'
never\t'Nowhere'"
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and not __fish_seen_subcommand_from latency throughput fanout idle connect durable help" -l trust -d 'Trust whatever key that server shows'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and not __fish_seen_subcommand_from latency throughput fanout idle connect durable help" -l json -d 'Print the figures as a JSON object'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and not __fish_seen_subcommand_from latency throughput fanout idle connect durable help" -s q -l quiet -d 'Say nothing but errors'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and not __fish_seen_subcommand_from latency throughput fanout idle connect durable help" -s v -l verbose -d 'Say more on stderr; -vv says even more'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and not __fish_seen_subcommand_from latency throughput fanout idle connect durable help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and not __fish_seen_subcommand_from latency throughput fanout idle connect durable help" -f -a "latency" -d 'Time of one message between two connected clients'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and not __fish_seen_subcommand_from latency throughput fanout idle connect durable help" -f -a "throughput" -d 'Messages a second from many senders to many receivers'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and not __fish_seen_subcommand_from latency throughput fanout idle connect durable help" -f -a "fanout" -d 'Deliveries a second from one sender to a room'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and not __fish_seen_subcommand_from latency throughput fanout idle connect durable help" -f -a "idle" -d 'What listeners cost that hear nothing'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and not __fish_seen_subcommand_from latency throughput fanout idle connect durable help" -f -a "connect" -d 'New links a second'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and not __fish_seen_subcommand_from latency throughput fanout idle connect durable help" -f -a "durable" -d 'Messages a second that are on disk, each sent after the last was'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and not __fish_seen_subcommand_from latency throughput fanout idle connect durable help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from latency" -s n -l count -d 'Round trips' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from latency" -l size -d 'Bytes of a message' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from latency" -s s -l server -d 'Measure this server instead of one started for it' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from latency" -l pin -d 'The pin of that server\'s key, as `qmsg serve` prints it' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from latency" -l timeout -d 'Give up when nothing has arrived for this long' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from latency" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'On a terminal, even if `NO_COLOR` is set'
never\t'Nowhere'"
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from latency" -l volatile -d 'Messages that are passed on and not stored'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from latency" -l trust -d 'Trust whatever key that server shows'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from latency" -l json -d 'Print the figures as a JSON object'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from latency" -s q -l quiet -d 'Say nothing but errors'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from latency" -s v -l verbose -d 'Say more on stderr; -vv says even more'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from latency" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from throughput" -l senders -d 'Clients that send' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from throughput" -l receivers -d 'Clients that receive; of more than there are senders, the rest listens in vain' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from throughput" -s n -l count -d 'Messages of each sender' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from throughput" -l size -d 'Bytes of a message' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from throughput" -s s -l server -d 'Measure this server instead of one started for it' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from throughput" -l pin -d 'The pin of that server\'s key, as `qmsg serve` prints it' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from throughput" -l timeout -d 'Give up when nothing has arrived for this long' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from throughput" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'On a terminal, even if `NO_COLOR` is set'
never\t'Nowhere'"
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from throughput" -l volatile -d 'Messages that are passed on and not stored'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from throughput" -l trust -d 'Trust whatever key that server shows'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from throughput" -l json -d 'Print the figures as a JSON object'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from throughput" -s q -l quiet -d 'Say nothing but errors'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from throughput" -s v -l verbose -d 'Say more on stderr; -vv says even more'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from throughput" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from fanout" -l receivers -d 'Members of the room' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from fanout" -s n -l count -d 'Messages to the room' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from fanout" -l size -d 'Bytes of a message' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from fanout" -s s -l server -d 'Measure this server instead of one started for it' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from fanout" -l pin -d 'The pin of that server\'s key, as `qmsg serve` prints it' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from fanout" -l timeout -d 'Give up when nothing has arrived for this long' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from fanout" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'On a terminal, even if `NO_COLOR` is set'
never\t'Nowhere'"
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from fanout" -l volatile -d 'Messages that are passed on and not stored'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from fanout" -l trust -d 'Trust whatever key that server shows'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from fanout" -l json -d 'Print the figures as a JSON object'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from fanout" -s q -l quiet -d 'Say nothing but errors'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from fanout" -s v -l verbose -d 'Say more on stderr; -vv says even more'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from fanout" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from idle" -l receivers -d 'Listeners' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from idle" -l time -d 'How long nothing happens' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from idle" -s s -l server -d 'Measure this server instead of one started for it' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from idle" -l pin -d 'The pin of that server\'s key, as `qmsg serve` prints it' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from idle" -l timeout -d 'Give up when nothing has arrived for this long' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from idle" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'On a terminal, even if `NO_COLOR` is set'
never\t'Nowhere'"
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from idle" -l trust -d 'Trust whatever key that server shows'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from idle" -l json -d 'Print the figures as a JSON object'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from idle" -s q -l quiet -d 'Say nothing but errors'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from idle" -s v -l verbose -d 'Say more on stderr; -vv says even more'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from idle" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from connect" -s n -l count -d 'Links' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from connect" -l concurrency -d 'Links at one time' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from connect" -s s -l server -d 'Measure this server instead of one started for it' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from connect" -l pin -d 'The pin of that server\'s key, as `qmsg serve` prints it' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from connect" -l timeout -d 'Give up when nothing has arrived for this long' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from connect" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'On a terminal, even if `NO_COLOR` is set'
never\t'Nowhere'"
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from connect" -l trust -d 'Trust whatever key that server shows'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from connect" -l json -d 'Print the figures as a JSON object'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from connect" -s q -l quiet -d 'Say nothing but errors'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from connect" -s v -l verbose -d 'Say more on stderr; -vv says even more'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from connect" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from durable" -l senders -d 'Clients that send, side by side' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from durable" -s n -l count -d 'Messages of each sender' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from durable" -l size -d 'Bytes of a message' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from durable" -s s -l server -d 'Measure this server instead of one started for it' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from durable" -l pin -d 'The pin of that server\'s key, as `qmsg serve` prints it' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from durable" -l timeout -d 'Give up when nothing has arrived for this long' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from durable" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'On a terminal, even if `NO_COLOR` is set'
never\t'Nowhere'"
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from durable" -l trust -d 'Trust whatever key that server shows'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from durable" -l json -d 'Print the figures as a JSON object'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from durable" -s q -l quiet -d 'Say nothing but errors'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from durable" -s v -l verbose -d 'Say more on stderr; -vv says even more'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from durable" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from help" -f -a "latency" -d 'Time of one message between two connected clients'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from help" -f -a "throughput" -d 'Messages a second from many senders to many receivers'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from help" -f -a "fanout" -d 'Deliveries a second from one sender to a room'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from help" -f -a "idle" -d 'What listeners cost that hear nothing'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from help" -f -a "connect" -d 'New links a second'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from help" -f -a "durable" -d 'Messages a second that are on disk, each sent after the last was'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c qmsg -n "__fish_qmsg_using_subcommand help; and not __fish_seen_subcommand_from serve join leave send listen invite bench help" -f -a "serve" -d 'Run the server'
complete -c qmsg -n "__fish_qmsg_using_subcommand help; and not __fish_seen_subcommand_from serve join leave send listen invite bench help" -f -a "join" -d 'Claim an id on a server, or become a member of a room'
complete -c qmsg -n "__fish_qmsg_using_subcommand help; and not __fish_seen_subcommand_from serve join leave send listen invite bench help" -f -a "leave" -d 'End the membership of a room'
complete -c qmsg -n "__fish_qmsg_using_subcommand help; and not __fish_seen_subcommand_from serve join leave send listen invite bench help" -f -a "send" -d 'Send a message to a user, a room, or everyone'
complete -c qmsg -n "__fish_qmsg_using_subcommand help; and not __fish_seen_subcommand_from serve join leave send listen invite bench help" -f -a "listen" -d 'Print messages as they arrive, and first those that are waiting'
complete -c qmsg -n "__fish_qmsg_using_subcommand help; and not __fish_seen_subcommand_from serve join leave send listen invite bench help" -f -a "invite" -d 'Print a ticket with which somebody else can join'
complete -c qmsg -n "__fish_qmsg_using_subcommand help; and not __fish_seen_subcommand_from serve join leave send listen invite bench help" -f -a "bench" -d 'Measure a server'
complete -c qmsg -n "__fish_qmsg_using_subcommand help; and not __fish_seen_subcommand_from serve join leave send listen invite bench help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c qmsg -n "__fish_qmsg_using_subcommand help; and __fish_seen_subcommand_from bench" -f -a "latency" -d 'Time of one message between two connected clients'
complete -c qmsg -n "__fish_qmsg_using_subcommand help; and __fish_seen_subcommand_from bench" -f -a "throughput" -d 'Messages a second from many senders to many receivers'
complete -c qmsg -n "__fish_qmsg_using_subcommand help; and __fish_seen_subcommand_from bench" -f -a "fanout" -d 'Deliveries a second from one sender to a room'
complete -c qmsg -n "__fish_qmsg_using_subcommand help; and __fish_seen_subcommand_from bench" -f -a "idle" -d 'What listeners cost that hear nothing'
complete -c qmsg -n "__fish_qmsg_using_subcommand help; and __fish_seen_subcommand_from bench" -f -a "connect" -d 'New links a second'
complete -c qmsg -n "__fish_qmsg_using_subcommand help; and __fish_seen_subcommand_from bench" -f -a "durable" -d 'Messages a second that are on disk, each sent after the last was'
