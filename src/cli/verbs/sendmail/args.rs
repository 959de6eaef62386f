//! The arguments of `qmsg sendmail`.

use std::ffi::OsString;

use clap::Args;

use crate::cli::args::{Patience, Who};
use crate::cli::keeping::SpoolBoundsArgs;

/// Send a mail as a message: a drop-in replacement for /usr/sbin/sendmail
///
/// Reads a mail from stdin and sends its text, with the subject as the title, to the ids that
/// [sendmail.aliases] in the configuration lists for each recipient, or to the id of that name. A
/// program called sendmail, such as a link to qmsg, does the same, so that cron, at, mdadm and
/// smartd can call it.
///
/// If the server cannot be reached, the message is kept, as with `qmsg send --spool`, and the exit
/// code is 0: it is sent later, see qmsg-spool(1). If the text is over the server's limit, its
/// start and its end are sent.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ln -s /usr/local/bin/qmsg /usr/sbin/sendmail
  printf 'Subject: hi\\n\\ntext\\n' | qmsg sendmail bob")]
pub(crate) struct SendmailArgs {
    /// Recipients, and sendmail's own options: -t, -i, -oi, -f, -F and others
    ///
    /// From the first recipient or sendmail option on, all arguments belong to sendmail, except
    /// qmsg's own long options.
    #[arg(value_name = "ARG", trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) args: Vec<OsString>,
    #[command(flatten)]
    pub(crate) who: Who,
    /// Only print what would be sent, and to whom
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) bounds: SpoolBoundsArgs,
    #[command(flatten)]
    pub(crate) patience: Patience,
}
