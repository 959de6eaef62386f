//! `qmsg invite`: tickets.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Args;

use crate::cli::verbs::serve::{data, run};
use crate::failure::Exit;
use crate::profile::address::{JoinTicket, ServerAddress};
use crate::terminal::print;
use crate::text::units;

/// Create an invitation ticket
///
/// Run it on the server's machine, as the user that the server runs as; the server may be running.
/// A ticket is good for one new id, for a limited time. Hand it over as you would a password. Its
/// holder runs: qmsg join ID TICKET
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  qmsg invite example.org
  qmsg invite 192.0.2.7:4433 --expires 1h")]
pub(crate) struct InviteArgs {
    /// How others reach the server; it goes into the ticket
    #[arg(value_name = "HOST[:PORT]")]
    server: ServerAddress,
    /// The server's data directory, if it was started with --data
    #[arg(long, value_name = "DIR", env = "QMSG_DATA")]
    data: Option<PathBuf>,
    /// The directory of the server's certificate, if it was started with --certs
    #[arg(long, value_name = "DIR", env = "QMSG_CERTS")]
    certs: Option<PathBuf>,
    /// How long the ticket is good for
    ///
    /// A bare number is seconds.
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = units::duration_of_some)]
    expires: Duration,
}

pub(crate) fn run(args: &InviteArgs) -> Result<Exit> {
    let dir = run::data_directory(args.data.as_deref())?;
    let identity = data::known_identity(&dir, args.certs.as_deref())?;
    let pin = identity.pin();
    let ticket = run::ticket(&dir, args.server.clone(), pin, args.expires)?;
    print::line(&JoinTicket::to_string(&ticket))?;
    Ok(Exit::Success)
}
