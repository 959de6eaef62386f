//! Arguments that several verbs share.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use clap::builder::FalseyValueParser;

use crate::cli::values;
use crate::profile::address::ServerAddress;
use crate::profile::joined::{self, Profile};
use crate::terminal::color::Color;
use crate::terminal::verbosity::Verbosity;
use crate::text::units;
use crate::wire::UserId;

/// The heading of the flags that every verb has.
const GLOBAL: &str = "Global options";

/// Flags for how much is printed on stderr, and in which colours.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = GLOBAL)]
pub(crate) struct VerbosityArgs {
    /// Print only errors
    #[arg(
        short,
        long,
        global = true,
        display_order = 900,
        env = "QMSG_QUIET",
        value_parser = FalseyValueParser::new(),
        conflicts_with = "verbose"
    )]
    quiet: bool,
    /// Print more on stderr (repeat for more)
    #[arg(short, long, global = true, display_order = 901, action = clap::ArgAction::Count)]
    verbose: u8,
    /// When to use colours
    #[arg(
        long,
        global = true,
        display_order = 902,
        value_name = "WHEN",
        env = "QMSG_COLOR",
        default_value = "auto",
        value_parser = values::color()
    )]
    color: Color,
}

impl VerbosityArgs {
    pub(crate) fn verbosity(self) -> Verbosity {
        let Self { quiet, verbose, color } = self;
        Verbosity { quiet, verbose, color }
    }
}

/// The flag that names the configuration file.
#[derive(Debug, Args)]
#[command(next_help_heading = GLOBAL)]
pub(crate) struct FileArgs {
    /// Read this configuration file and no other
    ///
    /// Without it: $XDG_CONFIG_HOME/qmsg/config.toml or ~/.config/qmsg/config.toml, then
    /// /etc/qmsg/config.toml.
    #[arg(long, global = true, display_order = 903, value_name = "FILE", env = "QMSG_CONFIG")]
    pub(crate) config: Option<PathBuf>,
}

/// Flags for the acting id and the server.
#[derive(Clone, Debug, Args)]
pub(crate) struct Who {
    /// Act as this id
    ///
    /// The id must have been joined on this machine. Default: the one that was joined first.
    #[arg(long = "as", value_name = "ID", env = "QMSG_AS", value_parser = values::user_arg())]
    pub(crate) as_id: Option<UserId>,
    /// The server to talk to
    ///
    /// Default: the server where the id was joined; for a first join, localhost:4433. Its key must
    /// be the one that was pinned when joining, whatever address it has now.
    #[arg(short, long, value_name = "HOST[:PORT]", env = "QMSG_SERVER")]
    pub(crate) server: Option<ServerAddress>,
}

/// Loads the profile of `--as`, with the server of `--server`.
pub(crate) fn profile(who: &Who) -> Result<Profile> {
    joined::choose(who.as_id.as_ref(), who.server.as_ref())
}

/// The flag for how long to wait for an answer.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Patience {
    /// Give up after this long without an answer (retries until then)
    ///
    /// Written like 500ms, 10s, 5m or 1h30m; a bare number is seconds. After a timeout the server
    /// may still have received the request; since this is not known, the exit code is not 0.
    #[arg(
        long,
        value_name = "TIME",
        env = "QMSG_TIMEOUT",
        default_value = "10s",
        value_parser = units::duration
    )]
    pub(crate) timeout: Duration,
}
