# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_qmsg_global_optspecs
    string join \n q/quiet v/verbose color= config= h/help V/version
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
complete -c qmsg -n "__fish_qmsg_needs_command" -l config -d 'Read this configuration file, and no other' -r -F
complete -c qmsg -n "__fish_qmsg_needs_command" -s q -l quiet -d 'Say nothing but errors'
complete -c qmsg -n "__fish_qmsg_needs_command" -s v -l verbose -d 'Say more on stderr; -vv says even more'
complete -c qmsg -n "__fish_qmsg_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c qmsg -n "__fish_qmsg_needs_command" -s V -l version -d 'Print version'
complete -c qmsg -n "__fish_qmsg_needs_command" -f -a "serve" -d 'Run the server'
complete -c qmsg -n "__fish_qmsg_needs_command" -f -a "join" -d 'Claim an id on a server, or become a member of a room'
complete -c qmsg -n "__fish_qmsg_needs_command" -f -a "leave" -d 'End the membership of a room'
complete -c qmsg -n "__fish_qmsg_needs_command" -f -a "send" -d 'Send a message to a user, a room, or everyone'
complete -c qmsg -n "__fish_qmsg_needs_command" -f -a "ask" -d 'Send a message and print the answer'
complete -c qmsg -n "__fish_qmsg_needs_command" -f -a "later" -d 'Look after messages that were sent with --at or --in and are not due yet'
complete -c qmsg -n "__fish_qmsg_needs_command" -f -a "listen" -d 'Take messages as they arrive, and first those that are waiting'
complete -c qmsg -n "__fish_qmsg_needs_command" -f -a "invite" -d 'Print a ticket with which somebody else can join'
complete -c qmsg -n "__fish_qmsg_needs_command" -f -a "spool" -d 'Send, list or drop what waits on this machine for a server'
complete -c qmsg -n "__fish_qmsg_needs_command" -f -a "sendmail" -d 'Send a mail as a message: a stand-in for /usr/sbin/sendmail'
complete -c qmsg -n "__fish_qmsg_needs_command" -f -a "config" -d 'Show the configuration, or where it is'
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
complete -c qmsg -n "__fish_qmsg_using_subcommand serve" -l max-in-flight -d 'Most bytes on their way to readers, of all readers together' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand serve" -l max-links -d 'Most connections at one time' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand serve" -l max-users -d 'Most users' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand serve" -l max-rooms -d 'Most rooms' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand serve" -l keep -d 'How long a message is kept when all its readers have processed it' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand serve" -l keep-unread -d 'How long a message is kept when nobody processes it' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand serve" -l duplicate-window -d 'How long message ids are remembered, so that a repeated message is noticed' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand serve" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'On a terminal, even if `NO_COLOR` is set'
never\t'Nowhere'"
complete -c qmsg -n "__fish_qmsg_using_subcommand serve" -l config -d 'Read this configuration file, and no other' -r -F
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
complete -c qmsg -n "__fish_qmsg_using_subcommand join" -l config -d 'Read this configuration file, and no other' -r -F
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
complete -c qmsg -n "__fish_qmsg_using_subcommand leave" -l config -d 'Read this configuration file, and no other' -r -F
complete -c qmsg -n "__fish_qmsg_using_subcommand leave" -l json -d 'Print what was done as a JSON object'
complete -c qmsg -n "__fish_qmsg_using_subcommand leave" -s q -l quiet -d 'Say nothing but errors'
complete -c qmsg -n "__fish_qmsg_using_subcommand leave" -s v -l verbose -d 'Say more on stderr; -vv says even more'
complete -c qmsg -n "__fish_qmsg_using_subcommand leave" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c qmsg -n "__fish_qmsg_using_subcommand send" -s f -l file -d 'Read the message from a file instead of stdin' -r -F
complete -c qmsg -n "__fish_qmsg_using_subcommand send" -l until -d 'End when the message has come so far with every recipient' -r -f -a "accepted\t'It is on the server\'s disk'
delivered\t'A reader of each recipient has it'
processed\t'A reader of each recipient has dealt with it'"
complete -c qmsg -n "__fish_qmsg_using_subcommand send" -l id -d 'Send it once, however often this is run with the same key' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand send" -l at -d 'Have the server keep it and send it at this time' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand send" -l in -d 'Have the server keep it and send it after this time' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand send" -l title -d 'A title for the message' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand send" -s p -l priority -d 'How urgent it is: min, low, default, high or max, or 1 to 5' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand send" -l tags -d 'Tags, separated by commas' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand send" -l type -d 'What the body is, as a media type: text/markdown, application/json' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand send" -l ttl -d 'How long it is worth delivering; afterwards it is not delivered any more' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand send" -l thread -d 'What it belongs to, such as the id of the first message of a conversation' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand send" -s H -l header -d 'Another header; may be given several times' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand send" -l as -d 'Act as this id' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand send" -s s -l server -d 'The server to talk to' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand send" -l timeout -d 'Give up when the server has not answered for this long [default: 10s]' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand send" -l spool-max -d 'Most bytes that wait on this machine for an id; a message counts for at least 4 KiB' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand send" -l spool-age -d 'How long a message may wait before it is set aside instead of sent' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand send" -l tail -d 'Lines of its output to send' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand send" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'On a terminal, even if `NO_COLOR` is set'
never\t'Nowhere'"
complete -c qmsg -n "__fish_qmsg_using_subcommand send" -l config -d 'Read this configuration file, and no other' -r -F
complete -c qmsg -n "__fish_qmsg_using_subcommand send" -l empty -d 'Send also an empty message, if that is what stdin or the file holds'
complete -c qmsg -n "__fish_qmsg_using_subcommand send" -s l -l lines -d 'Send each line of the input as one message, without its newline'
complete -c qmsg -n "__fish_qmsg_using_subcommand send" -s 0 -l null -d 'Send each NUL-terminated piece of the input as one message'
complete -c qmsg -n "__fish_qmsg_using_subcommand send" -l volatile -d 'Only for those who listen now: neither stored nor repeated'
complete -c qmsg -n "__fish_qmsg_using_subcommand send" -l dry-run -d 'Say what would be sent, and send nothing'
complete -c qmsg -n "__fish_qmsg_using_subcommand send" -l json -d 'Print a JSON object for each message and target, or with --until for each recipient'
complete -c qmsg -n "__fish_qmsg_using_subcommand send" -l spool -d 'Keep the message on this machine if the server cannot be reached'
complete -c qmsg -n "__fish_qmsg_using_subcommand send" -l wrap -d 'Run what stands behind -- as a command, and send how it ended'
complete -c qmsg -n "__fish_qmsg_using_subcommand send" -l only-on-failure -d 'Send nothing if the command ends with 0'
complete -c qmsg -n "__fish_qmsg_using_subcommand send" -s q -l quiet -d 'Say nothing but errors'
complete -c qmsg -n "__fish_qmsg_using_subcommand send" -s v -l verbose -d 'Say more on stderr; -vv says even more'
complete -c qmsg -n "__fish_qmsg_using_subcommand send" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c qmsg -n "__fish_qmsg_using_subcommand ask" -s f -l file -d 'Read the message from a file instead of stdin' -r -F
complete -c qmsg -n "__fish_qmsg_using_subcommand ask" -s n -l count -d 'End after this many replies' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand ask" -l title -d 'A title for the message' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand ask" -s p -l priority -d 'How urgent it is: min, low, default, high or max, or 1 to 5' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand ask" -l tags -d 'Tags, separated by commas' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand ask" -l type -d 'What the body is, as a media type: text/markdown, application/json' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand ask" -l ttl -d 'How long it is worth delivering; afterwards it is not delivered any more' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand ask" -l thread -d 'What it belongs to, such as the id of the first message of a conversation' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand ask" -s H -l header -d 'Another header; may be given several times' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand ask" -l as -d 'Act as this id' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand ask" -s s -l server -d 'The server to talk to' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand ask" -l timeout -d 'Give up when the answer takes longer than this [default: 1m]' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand ask" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'On a terminal, even if `NO_COLOR` is set'
never\t'Nowhere'"
complete -c qmsg -n "__fish_qmsg_using_subcommand ask" -l config -d 'Read this configuration file, and no other' -r -F
complete -c qmsg -n "__fish_qmsg_using_subcommand ask" -l empty -d 'Send also an empty message, if that is what stdin or the file holds'
complete -c qmsg -n "__fish_qmsg_using_subcommand ask" -l json -d 'Print a JSON object for each recipient, with the reply as body or body_b64'
complete -c qmsg -n "__fish_qmsg_using_subcommand ask" -s q -l quiet -d 'Say nothing but errors'
complete -c qmsg -n "__fish_qmsg_using_subcommand ask" -s v -l verbose -d 'Say more on stderr; -vv says even more'
complete -c qmsg -n "__fish_qmsg_using_subcommand ask" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c qmsg -n "__fish_qmsg_using_subcommand later; and not __fish_seen_subcommand_from list cancel send help" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'On a terminal, even if `NO_COLOR` is set'
never\t'Nowhere'"
complete -c qmsg -n "__fish_qmsg_using_subcommand later; and not __fish_seen_subcommand_from list cancel send help" -l config -d 'Read this configuration file, and no other' -r -F
complete -c qmsg -n "__fish_qmsg_using_subcommand later; and not __fish_seen_subcommand_from list cancel send help" -s q -l quiet -d 'Say nothing but errors'
complete -c qmsg -n "__fish_qmsg_using_subcommand later; and not __fish_seen_subcommand_from list cancel send help" -s v -l verbose -d 'Say more on stderr; -vv says even more'
complete -c qmsg -n "__fish_qmsg_using_subcommand later; and not __fish_seen_subcommand_from list cancel send help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c qmsg -n "__fish_qmsg_using_subcommand later; and not __fish_seen_subcommand_from list cancel send help" -f -a "list" -d 'Show what is not due yet'
complete -c qmsg -n "__fish_qmsg_using_subcommand later; and not __fish_seen_subcommand_from list cancel send help" -f -a "cancel" -d 'Do not send a message'
complete -c qmsg -n "__fish_qmsg_using_subcommand later; and not __fish_seen_subcommand_from list cancel send help" -f -a "send" -d 'Send a message now'
complete -c qmsg -n "__fish_qmsg_using_subcommand later; and not __fish_seen_subcommand_from list cancel send help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c qmsg -n "__fish_qmsg_using_subcommand later; and __fish_seen_subcommand_from list" -l as -d 'Act as this id' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand later; and __fish_seen_subcommand_from list" -s s -l server -d 'The server to talk to' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand later; and __fish_seen_subcommand_from list" -l timeout -d 'Give up when the server has not answered for this long' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand later; and __fish_seen_subcommand_from list" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'On a terminal, even if `NO_COLOR` is set'
never\t'Nowhere'"
complete -c qmsg -n "__fish_qmsg_using_subcommand later; and __fish_seen_subcommand_from list" -l config -d 'Read this configuration file, and no other' -r -F
complete -c qmsg -n "__fish_qmsg_using_subcommand later; and __fish_seen_subcommand_from list" -l json -d 'Print a JSON object for each message'
complete -c qmsg -n "__fish_qmsg_using_subcommand later; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Say nothing but errors'
complete -c qmsg -n "__fish_qmsg_using_subcommand later; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say more on stderr; -vv says even more'
complete -c qmsg -n "__fish_qmsg_using_subcommand later; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c qmsg -n "__fish_qmsg_using_subcommand later; and __fish_seen_subcommand_from cancel" -l as -d 'Act as this id' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand later; and __fish_seen_subcommand_from cancel" -s s -l server -d 'The server to talk to' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand later; and __fish_seen_subcommand_from cancel" -l timeout -d 'Give up when the server has not answered for this long' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand later; and __fish_seen_subcommand_from cancel" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'On a terminal, even if `NO_COLOR` is set'
never\t'Nowhere'"
complete -c qmsg -n "__fish_qmsg_using_subcommand later; and __fish_seen_subcommand_from cancel" -l config -d 'Read this configuration file, and no other' -r -F
complete -c qmsg -n "__fish_qmsg_using_subcommand later; and __fish_seen_subcommand_from cancel" -l all -d 'All that are not due yet'
complete -c qmsg -n "__fish_qmsg_using_subcommand later; and __fish_seen_subcommand_from cancel" -l json -d 'Print how many there were as a JSON object'
complete -c qmsg -n "__fish_qmsg_using_subcommand later; and __fish_seen_subcommand_from cancel" -s q -l quiet -d 'Say nothing but errors'
complete -c qmsg -n "__fish_qmsg_using_subcommand later; and __fish_seen_subcommand_from cancel" -s v -l verbose -d 'Say more on stderr; -vv says even more'
complete -c qmsg -n "__fish_qmsg_using_subcommand later; and __fish_seen_subcommand_from cancel" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c qmsg -n "__fish_qmsg_using_subcommand later; and __fish_seen_subcommand_from send" -l as -d 'Act as this id' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand later; and __fish_seen_subcommand_from send" -s s -l server -d 'The server to talk to' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand later; and __fish_seen_subcommand_from send" -l timeout -d 'Give up when the server has not answered for this long' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand later; and __fish_seen_subcommand_from send" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'On a terminal, even if `NO_COLOR` is set'
never\t'Nowhere'"
complete -c qmsg -n "__fish_qmsg_using_subcommand later; and __fish_seen_subcommand_from send" -l config -d 'Read this configuration file, and no other' -r -F
complete -c qmsg -n "__fish_qmsg_using_subcommand later; and __fish_seen_subcommand_from send" -l all -d 'All that are not due yet'
complete -c qmsg -n "__fish_qmsg_using_subcommand later; and __fish_seen_subcommand_from send" -l json -d 'Print how many there were as a JSON object'
complete -c qmsg -n "__fish_qmsg_using_subcommand later; and __fish_seen_subcommand_from send" -s q -l quiet -d 'Say nothing but errors'
complete -c qmsg -n "__fish_qmsg_using_subcommand later; and __fish_seen_subcommand_from send" -s v -l verbose -d 'Say more on stderr; -vv says even more'
complete -c qmsg -n "__fish_qmsg_using_subcommand later; and __fish_seen_subcommand_from send" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c qmsg -n "__fish_qmsg_using_subcommand later; and __fish_seen_subcommand_from help" -f -a "list" -d 'Show what is not due yet'
complete -c qmsg -n "__fish_qmsg_using_subcommand later; and __fish_seen_subcommand_from help" -f -a "cancel" -d 'Do not send a message'
complete -c qmsg -n "__fish_qmsg_using_subcommand later; and __fish_seen_subcommand_from help" -f -a "send" -d 'Send a message now'
complete -c qmsg -n "__fish_qmsg_using_subcommand later; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c qmsg -n "__fish_qmsg_using_subcommand listen" -l as -d 'Act as this id' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand listen" -s s -l server -d 'The server to talk to' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand listen" -s n -l count -d 'End after this many messages' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand listen" -l timeout -d 'End after this time' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand listen" -l since -d 'Begin with what was sent since then, also if it is processed already' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand listen" -l from -d 'Take only what these users sent' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand listen" -l room -d 'Take only what went to these rooms, or to @all' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand listen" -l priority -d 'Take only what is at least this urgent; 1 to 5 mean the same' -r -f -a "min\t''
low\t''
default\t''
high\t''
max\t''"
complete -c qmsg -n "__fish_qmsg_using_subcommand listen" -l title -d 'Take only what has this text in its title, in upper or lower case' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand listen" -s F -l format -d 'Print each message like this, and a newline' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand listen" -l save-dir -d 'Put each message into a file of its own in this directory, and print the file\'s name' -r -F
complete -c qmsg -n "__fish_qmsg_using_subcommand listen" -s x -l exec -d 'Run this command for each message, with the body as its stdin' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand listen" -l shell -d 'Run this line by /bin/sh for each message, as --exec does a command' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand listen" -s j -l jobs -d 'Run up to so many handlers at a time' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand listen" -l max-attempts -d 'Refuse a message for good when its handler has failed this often; 0 for never' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand listen" -l retry-delay -d 'Wait so long before a message is tried again, and double that with each attempt up to 5m' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand listen" -l exec-timeout -d 'End a handler that takes longer than this; it has failed then' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand listen" -l requeue -d 'Put a dead letter, or all of them, back among what waits, and end' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand listen" -l drop -d 'Delete a dead letter, or all of them, and end' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand listen" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'On a terminal, even if `NO_COLOR` is set'
never\t'Nowhere'"
complete -c qmsg -n "__fish_qmsg_using_subcommand listen" -l config -d 'Read this configuration file, and no other' -r -F
complete -c qmsg -n "__fish_qmsg_using_subcommand listen" -l poll -d 'End once everything that was waiting has been printed, or dealt with'
complete -c qmsg -n "__fish_qmsg_using_subcommand listen" -l new -d 'Begin with what is sent from now on; what waits stays where it is'
complete -c qmsg -n "__fish_qmsg_using_subcommand listen" -l share -d 'Split the messages with the other listeners of this id that say so'
complete -c qmsg -n "__fish_qmsg_using_subcommand listen" -l json -d 'Print a JSON object for each message'
complete -c qmsg -n "__fish_qmsg_using_subcommand listen" -l raw -d 'Print bodies byte for byte, with nothing added'
complete -c qmsg -n "__fish_qmsg_using_subcommand listen" -s 0 -l null -d 'Print bodies byte for byte, each followed by a NUL'
complete -c qmsg -n "__fish_qmsg_using_subcommand listen" -l reply -d 'Answer with the handler\'s stdout, at most 60 KiB of it, when it has succeeded'
complete -c qmsg -n "__fish_qmsg_using_subcommand listen" -l dead -d 'List the dead letters, which a handler has refused for good, and end'
complete -c qmsg -n "__fish_qmsg_using_subcommand listen" -s q -l quiet -d 'Say nothing but errors'
complete -c qmsg -n "__fish_qmsg_using_subcommand listen" -s v -l verbose -d 'Say more on stderr; -vv says even more'
complete -c qmsg -n "__fish_qmsg_using_subcommand listen" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c qmsg -n "__fish_qmsg_using_subcommand invite" -l data -d 'The server\'s data directory, if it was started with --data' -r -F
complete -c qmsg -n "__fish_qmsg_using_subcommand invite" -l certs -d 'The directory of the server\'s certificate, if it was started with --certs' -r -F
complete -c qmsg -n "__fish_qmsg_using_subcommand invite" -l expires -d 'How long the ticket is good for' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand invite" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'On a terminal, even if `NO_COLOR` is set'
never\t'Nowhere'"
complete -c qmsg -n "__fish_qmsg_using_subcommand invite" -l config -d 'Read this configuration file, and no other' -r -F
complete -c qmsg -n "__fish_qmsg_using_subcommand invite" -s q -l quiet -d 'Say nothing but errors'
complete -c qmsg -n "__fish_qmsg_using_subcommand invite" -s v -l verbose -d 'Say more on stderr; -vv says even more'
complete -c qmsg -n "__fish_qmsg_using_subcommand invite" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c qmsg -n "__fish_qmsg_using_subcommand spool; and not __fish_seen_subcommand_from list flush drop help" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'On a terminal, even if `NO_COLOR` is set'
never\t'Nowhere'"
complete -c qmsg -n "__fish_qmsg_using_subcommand spool; and not __fish_seen_subcommand_from list flush drop help" -l config -d 'Read this configuration file, and no other' -r -F
complete -c qmsg -n "__fish_qmsg_using_subcommand spool; and not __fish_seen_subcommand_from list flush drop help" -s q -l quiet -d 'Say nothing but errors'
complete -c qmsg -n "__fish_qmsg_using_subcommand spool; and not __fish_seen_subcommand_from list flush drop help" -s v -l verbose -d 'Say more on stderr; -vv says even more'
complete -c qmsg -n "__fish_qmsg_using_subcommand spool; and not __fish_seen_subcommand_from list flush drop help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c qmsg -n "__fish_qmsg_using_subcommand spool; and not __fish_seen_subcommand_from list flush drop help" -f -a "list" -d 'Show what waits, and what was set aside'
complete -c qmsg -n "__fish_qmsg_using_subcommand spool; and not __fish_seen_subcommand_from list flush drop help" -f -a "flush" -d 'Send what waits'
complete -c qmsg -n "__fish_qmsg_using_subcommand spool; and not __fish_seen_subcommand_from list flush drop help" -f -a "drop" -d 'Remove messages that are not to be sent'
complete -c qmsg -n "__fish_qmsg_using_subcommand spool; and not __fish_seen_subcommand_from list flush drop help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c qmsg -n "__fish_qmsg_using_subcommand spool; and __fish_seen_subcommand_from list" -l as -d 'Only what waits in the name of this id' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand spool; and __fish_seen_subcommand_from list" -l spool-max -d 'Most bytes that wait on this machine for an id; a message counts for at least 4 KiB' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand spool; and __fish_seen_subcommand_from list" -l spool-age -d 'How long a message may wait before it is set aside instead of sent' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand spool; and __fish_seen_subcommand_from list" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'On a terminal, even if `NO_COLOR` is set'
never\t'Nowhere'"
complete -c qmsg -n "__fish_qmsg_using_subcommand spool; and __fish_seen_subcommand_from list" -l config -d 'Read this configuration file, and no other' -r -F
complete -c qmsg -n "__fish_qmsg_using_subcommand spool; and __fish_seen_subcommand_from list" -l json -d 'Print a JSON object for each message'
complete -c qmsg -n "__fish_qmsg_using_subcommand spool; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Say nothing but errors'
complete -c qmsg -n "__fish_qmsg_using_subcommand spool; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say more on stderr; -vv says even more'
complete -c qmsg -n "__fish_qmsg_using_subcommand spool; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c qmsg -n "__fish_qmsg_using_subcommand spool; and __fish_seen_subcommand_from flush" -l as -d 'Only what waits in the name of this id' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand spool; and __fish_seen_subcommand_from flush" -s s -l server -d 'The server to talk to, instead of the one where the id was joined' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand spool; and __fish_seen_subcommand_from flush" -l spool-max -d 'Most bytes that wait on this machine for an id; a message counts for at least 4 KiB' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand spool; and __fish_seen_subcommand_from flush" -l spool-age -d 'How long a message may wait before it is set aside instead of sent' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand spool; and __fish_seen_subcommand_from flush" -l timeout -d 'Give up when the server has not answered for this long' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand spool; and __fish_seen_subcommand_from flush" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'On a terminal, even if `NO_COLOR` is set'
never\t'Nowhere'"
complete -c qmsg -n "__fish_qmsg_using_subcommand spool; and __fish_seen_subcommand_from flush" -l config -d 'Read this configuration file, and no other' -r -F
complete -c qmsg -n "__fish_qmsg_using_subcommand spool; and __fish_seen_subcommand_from flush" -l aside -d 'Also try again what was set aside'
complete -c qmsg -n "__fish_qmsg_using_subcommand spool; and __fish_seen_subcommand_from flush" -l dry-run -d 'Only tell what would be sent'
complete -c qmsg -n "__fish_qmsg_using_subcommand spool; and __fish_seen_subcommand_from flush" -s q -l quiet -d 'Say nothing but errors'
complete -c qmsg -n "__fish_qmsg_using_subcommand spool; and __fish_seen_subcommand_from flush" -s v -l verbose -d 'Say more on stderr; -vv says even more'
complete -c qmsg -n "__fish_qmsg_using_subcommand spool; and __fish_seen_subcommand_from flush" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c qmsg -n "__fish_qmsg_using_subcommand spool; and __fish_seen_subcommand_from drop" -l as -d 'Only what waits in the name of this id' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand spool; and __fish_seen_subcommand_from drop" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'On a terminal, even if `NO_COLOR` is set'
never\t'Nowhere'"
complete -c qmsg -n "__fish_qmsg_using_subcommand spool; and __fish_seen_subcommand_from drop" -l config -d 'Read this configuration file, and no other' -r -F
complete -c qmsg -n "__fish_qmsg_using_subcommand spool; and __fish_seen_subcommand_from drop" -l aside -d 'Everything that was set aside'
complete -c qmsg -n "__fish_qmsg_using_subcommand spool; and __fish_seen_subcommand_from drop" -l all -d 'Everything'
complete -c qmsg -n "__fish_qmsg_using_subcommand spool; and __fish_seen_subcommand_from drop" -s q -l quiet -d 'Say nothing but errors'
complete -c qmsg -n "__fish_qmsg_using_subcommand spool; and __fish_seen_subcommand_from drop" -s v -l verbose -d 'Say more on stderr; -vv says even more'
complete -c qmsg -n "__fish_qmsg_using_subcommand spool; and __fish_seen_subcommand_from drop" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c qmsg -n "__fish_qmsg_using_subcommand spool; and __fish_seen_subcommand_from help" -f -a "list" -d 'Show what waits, and what was set aside'
complete -c qmsg -n "__fish_qmsg_using_subcommand spool; and __fish_seen_subcommand_from help" -f -a "flush" -d 'Send what waits'
complete -c qmsg -n "__fish_qmsg_using_subcommand spool; and __fish_seen_subcommand_from help" -f -a "drop" -d 'Remove messages that are not to be sent'
complete -c qmsg -n "__fish_qmsg_using_subcommand spool; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c qmsg -n "__fish_qmsg_using_subcommand sendmail" -l as -d 'Act as this id' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand sendmail" -s s -l server -d 'The server to talk to' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand sendmail" -l spool-max -d 'Most bytes that wait on this machine for an id; a message counts for at least 4 KiB' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand sendmail" -l spool-age -d 'How long a message may wait before it is set aside instead of sent' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand sendmail" -l timeout -d 'Give up when the server has not answered for this long' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand sendmail" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'On a terminal, even if `NO_COLOR` is set'
never\t'Nowhere'"
complete -c qmsg -n "__fish_qmsg_using_subcommand sendmail" -l config -d 'Read this configuration file, and no other' -r -F
complete -c qmsg -n "__fish_qmsg_using_subcommand sendmail" -l dry-run -d 'Only print what would be sent, and to whom'
complete -c qmsg -n "__fish_qmsg_using_subcommand sendmail" -s q -l quiet -d 'Say nothing but errors'
complete -c qmsg -n "__fish_qmsg_using_subcommand sendmail" -s v -l verbose -d 'Say more on stderr; -vv says even more'
complete -c qmsg -n "__fish_qmsg_using_subcommand sendmail" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c qmsg -n "__fish_qmsg_using_subcommand config; and not __fish_seen_subcommand_from show path help" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'On a terminal, even if `NO_COLOR` is set'
never\t'Nowhere'"
complete -c qmsg -n "__fish_qmsg_using_subcommand config; and not __fish_seen_subcommand_from show path help" -l config -d 'Read this configuration file, and no other' -r -F
complete -c qmsg -n "__fish_qmsg_using_subcommand config; and not __fish_seen_subcommand_from show path help" -s q -l quiet -d 'Say nothing but errors'
complete -c qmsg -n "__fish_qmsg_using_subcommand config; and not __fish_seen_subcommand_from show path help" -s v -l verbose -d 'Say more on stderr; -vv says even more'
complete -c qmsg -n "__fish_qmsg_using_subcommand config; and not __fish_seen_subcommand_from show path help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c qmsg -n "__fish_qmsg_using_subcommand config; and not __fish_seen_subcommand_from show path help" -f -a "show" -d 'Print each key with its value and where that comes from'
complete -c qmsg -n "__fish_qmsg_using_subcommand config; and not __fish_seen_subcommand_from show path help" -f -a "path" -d 'Print the paths of the files that are read, the one that goes before the other first'
complete -c qmsg -n "__fish_qmsg_using_subcommand config; and not __fish_seen_subcommand_from show path help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c qmsg -n "__fish_qmsg_using_subcommand config; and __fish_seen_subcommand_from show" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'On a terminal, even if `NO_COLOR` is set'
never\t'Nowhere'"
complete -c qmsg -n "__fish_qmsg_using_subcommand config; and __fish_seen_subcommand_from show" -l config -d 'Read this configuration file, and no other' -r -F
complete -c qmsg -n "__fish_qmsg_using_subcommand config; and __fish_seen_subcommand_from show" -l json -d 'Print a JSON object for each key'
complete -c qmsg -n "__fish_qmsg_using_subcommand config; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Say nothing but errors'
complete -c qmsg -n "__fish_qmsg_using_subcommand config; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Say more on stderr; -vv says even more'
complete -c qmsg -n "__fish_qmsg_using_subcommand config; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c qmsg -n "__fish_qmsg_using_subcommand config; and __fish_seen_subcommand_from path" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'On a terminal, even if `NO_COLOR` is set'
never\t'Nowhere'"
complete -c qmsg -n "__fish_qmsg_using_subcommand config; and __fish_seen_subcommand_from path" -l config -d 'Read this configuration file, and no other' -r -F
complete -c qmsg -n "__fish_qmsg_using_subcommand config; and __fish_seen_subcommand_from path" -s q -l quiet -d 'Say nothing but errors'
complete -c qmsg -n "__fish_qmsg_using_subcommand config; and __fish_seen_subcommand_from path" -s v -l verbose -d 'Say more on stderr; -vv says even more'
complete -c qmsg -n "__fish_qmsg_using_subcommand config; and __fish_seen_subcommand_from path" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c qmsg -n "__fish_qmsg_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "show" -d 'Print each key with its value and where that comes from'
complete -c qmsg -n "__fish_qmsg_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "path" -d 'Print the paths of the files that are read, the one that goes before the other first'
complete -c qmsg -n "__fish_qmsg_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and not __fish_seen_subcommand_from latency throughput fanout idle connect durable help" -s s -l server -d 'Measure this server instead of one started for it' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and not __fish_seen_subcommand_from latency throughput fanout idle connect durable help" -l pin -d 'The pin of that server\'s key, as `qmsg serve` prints it' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and not __fish_seen_subcommand_from latency throughput fanout idle connect durable help" -l timeout -d 'Give up when nothing has arrived for this long' -r
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and not __fish_seen_subcommand_from latency throughput fanout idle connect durable help" -l color -d 'When to use colours' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'On a terminal, even if `NO_COLOR` is set'
never\t'Nowhere'"
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and not __fish_seen_subcommand_from latency throughput fanout idle connect durable help" -l config -d 'Read this configuration file, and no other' -r -F
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
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from latency" -l config -d 'Read this configuration file, and no other' -r -F
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
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from throughput" -l config -d 'Read this configuration file, and no other' -r -F
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
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from fanout" -l config -d 'Read this configuration file, and no other' -r -F
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
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from idle" -l config -d 'Read this configuration file, and no other' -r -F
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
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from connect" -l config -d 'Read this configuration file, and no other' -r -F
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
complete -c qmsg -n "__fish_qmsg_using_subcommand bench; and __fish_seen_subcommand_from durable" -l config -d 'Read this configuration file, and no other' -r -F
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
complete -c qmsg -n "__fish_qmsg_using_subcommand help; and not __fish_seen_subcommand_from serve join leave send ask later listen invite spool sendmail config bench help" -f -a "serve" -d 'Run the server'
complete -c qmsg -n "__fish_qmsg_using_subcommand help; and not __fish_seen_subcommand_from serve join leave send ask later listen invite spool sendmail config bench help" -f -a "join" -d 'Claim an id on a server, or become a member of a room'
complete -c qmsg -n "__fish_qmsg_using_subcommand help; and not __fish_seen_subcommand_from serve join leave send ask later listen invite spool sendmail config bench help" -f -a "leave" -d 'End the membership of a room'
complete -c qmsg -n "__fish_qmsg_using_subcommand help; and not __fish_seen_subcommand_from serve join leave send ask later listen invite spool sendmail config bench help" -f -a "send" -d 'Send a message to a user, a room, or everyone'
complete -c qmsg -n "__fish_qmsg_using_subcommand help; and not __fish_seen_subcommand_from serve join leave send ask later listen invite spool sendmail config bench help" -f -a "ask" -d 'Send a message and print the answer'
complete -c qmsg -n "__fish_qmsg_using_subcommand help; and not __fish_seen_subcommand_from serve join leave send ask later listen invite spool sendmail config bench help" -f -a "later" -d 'Look after messages that were sent with --at or --in and are not due yet'
complete -c qmsg -n "__fish_qmsg_using_subcommand help; and not __fish_seen_subcommand_from serve join leave send ask later listen invite spool sendmail config bench help" -f -a "listen" -d 'Take messages as they arrive, and first those that are waiting'
complete -c qmsg -n "__fish_qmsg_using_subcommand help; and not __fish_seen_subcommand_from serve join leave send ask later listen invite spool sendmail config bench help" -f -a "invite" -d 'Print a ticket with which somebody else can join'
complete -c qmsg -n "__fish_qmsg_using_subcommand help; and not __fish_seen_subcommand_from serve join leave send ask later listen invite spool sendmail config bench help" -f -a "spool" -d 'Send, list or drop what waits on this machine for a server'
complete -c qmsg -n "__fish_qmsg_using_subcommand help; and not __fish_seen_subcommand_from serve join leave send ask later listen invite spool sendmail config bench help" -f -a "sendmail" -d 'Send a mail as a message: a stand-in for /usr/sbin/sendmail'
complete -c qmsg -n "__fish_qmsg_using_subcommand help; and not __fish_seen_subcommand_from serve join leave send ask later listen invite spool sendmail config bench help" -f -a "config" -d 'Show the configuration, or where it is'
complete -c qmsg -n "__fish_qmsg_using_subcommand help; and not __fish_seen_subcommand_from serve join leave send ask later listen invite spool sendmail config bench help" -f -a "bench" -d 'Measure a server'
complete -c qmsg -n "__fish_qmsg_using_subcommand help; and not __fish_seen_subcommand_from serve join leave send ask later listen invite spool sendmail config bench help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c qmsg -n "__fish_qmsg_using_subcommand help; and __fish_seen_subcommand_from later" -f -a "list" -d 'Show what is not due yet'
complete -c qmsg -n "__fish_qmsg_using_subcommand help; and __fish_seen_subcommand_from later" -f -a "cancel" -d 'Do not send a message'
complete -c qmsg -n "__fish_qmsg_using_subcommand help; and __fish_seen_subcommand_from later" -f -a "send" -d 'Send a message now'
complete -c qmsg -n "__fish_qmsg_using_subcommand help; and __fish_seen_subcommand_from spool" -f -a "list" -d 'Show what waits, and what was set aside'
complete -c qmsg -n "__fish_qmsg_using_subcommand help; and __fish_seen_subcommand_from spool" -f -a "flush" -d 'Send what waits'
complete -c qmsg -n "__fish_qmsg_using_subcommand help; and __fish_seen_subcommand_from spool" -f -a "drop" -d 'Remove messages that are not to be sent'
complete -c qmsg -n "__fish_qmsg_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "show" -d 'Print each key with its value and where that comes from'
complete -c qmsg -n "__fish_qmsg_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "path" -d 'Print the paths of the files that are read, the one that goes before the other first'
complete -c qmsg -n "__fish_qmsg_using_subcommand help; and __fish_seen_subcommand_from bench" -f -a "latency" -d 'Time of one message between two connected clients'
complete -c qmsg -n "__fish_qmsg_using_subcommand help; and __fish_seen_subcommand_from bench" -f -a "throughput" -d 'Messages a second from many senders to many receivers'
complete -c qmsg -n "__fish_qmsg_using_subcommand help; and __fish_seen_subcommand_from bench" -f -a "fanout" -d 'Deliveries a second from one sender to a room'
complete -c qmsg -n "__fish_qmsg_using_subcommand help; and __fish_seen_subcommand_from bench" -f -a "idle" -d 'What listeners cost that hear nothing'
complete -c qmsg -n "__fish_qmsg_using_subcommand help; and __fish_seen_subcommand_from bench" -f -a "connect" -d 'New links a second'
complete -c qmsg -n "__fish_qmsg_using_subcommand help; and __fish_seen_subcommand_from bench" -f -a "durable" -d 'Messages a second that are on disk, each sent after the last was'
