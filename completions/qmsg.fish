complete --keep-order --exclusive --command qmsg --arguments "(QMSG_COMPLETE=fish qmsg -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --current-token))"
