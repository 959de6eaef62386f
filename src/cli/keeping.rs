//! Arguments for spooling messages on this machine.

use std::time::Duration;

use clap::Args;
use clap::builder::FalseyValueParser;

use crate::cli::limits::SPOOL_AGE_MAX;
use crate::spool::bounds::{Keeping, SpoolBounds};
use crate::text::units;

/// Flags for spooling messages that cannot be sent.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct KeepingArgs {
    /// Keep the message on this machine if the server cannot be reached
    ///
    /// The exit code is then 75. The next send that reaches the server delivers it, or
    /// `qmsg spool flush`; it arrives once, even if the server had it already. A volatile message
    /// is not kept.
    #[arg(
        long,
        env = "QMSG_SPOOL",
        value_parser = FalseyValueParser::new(),
        help_heading = "Spool"
    )]
    spool: bool,
    #[command(flatten)]
    bounds: SpoolBoundsArgs,
}

/// Flags for the limits of a spool.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Spool")]
pub(crate) struct SpoolBoundsArgs {
    /// Maximum size of an id's spool; each message counts as at least 4 KiB
    #[arg(
        long = "spool-max",
        value_name = "SIZE",
        env = "QMSG_SPOOL_MAX",
        default_value = "64MiB",
        value_parser = units::size
    )]
    max: u64,
    /// Set a message aside instead of sending it once it has waited this long
    ///
    /// A bare number is seconds.
    #[arg(
        long = "spool-age",
        value_name = "TIME",
        env = "QMSG_SPOOL_AGE",
        default_value = "144h",
        value_parser = age
    )]
    age: Duration,
}

impl KeepingArgs {
    pub(crate) fn keeping(self) -> Keeping {
        Keeping { spool: self.spool, bounds: self.bounds.bounds() }
    }
}

impl SpoolBoundsArgs {
    pub(crate) fn bounds(self) -> SpoolBounds {
        SpoolBounds { max: self.max, age: self.age }
    }
}

fn age(text: &str) -> Result<Duration, String> {
    match units::duration(text)? {
        age if age <= SPOOL_AGE_MAX => Ok(age),
        _ => Err("at most 167h: a server remembers the messages it has for 168h".into()),
    }
}
