//! The arguments of `qmsg config`.

use clap::{Args, Subcommand};

/// Show the configuration, or the files it comes from
///
/// Flags can be set in files: ~/.config/qmsg/config.toml for a user, /etc/qmsg/config.toml for the
/// machine. In order of precedence: a flag, its variable, the user's file, the machine's file, the
/// default.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  qmsg config show                  what is in force
  qmsg config path                  the files that are read")]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    pub(crate) what: ConfigVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigVerb {
    /// Print each key with its value and its origin
    ///
    /// Without --all only the keys that are set, and the id and server in force. The output is
    /// itself a valid configuration file.
    Show {
        /// Print all keys, also those that have their default value
        #[arg(long)]
        all: bool,
        /// Print a JSON object for each key, set or not
        #[arg(long)]
        json: bool,
    },
    /// Print the paths of the files that are read, in order of precedence
    Path,
}
