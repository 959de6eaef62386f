//! `qmsg serve`: the server.

use std::env;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use aws_lc_rs::rand;
use clap::Args;
use clap::builder::FalseyValueParser;
use clap::value_parser;

use crate::cli::verbs::serve::{data, upkeep};
use crate::durable::Quotas;
use crate::failure::{Exit, Failure};
use crate::logic::Limits;
use crate::process::runtime;
use crate::process::signals::stop_signal;
use crate::profile::address::{self, JoinTicket, PLACEHOLDER};
use crate::profile::home;
use crate::quic::{BindError, HANDSHAKE_DEADLINE, ServerSettings};
use crate::server::{Server, Settings, StartError};
use crate::store::FORMAT;
use crate::terminal::verbosity::Verbosity;
use crate::terminal::{notices, print};
use crate::text::units;
use crate::wire::{ALPN, Features, JoinCode, Pin};
use crate::{clock, store};

/// Milliseconds after a restart in which sharing readers may resume their deliveries before others
/// get them: a second until they notice the restart, and pauses between attempts.
const GATHER_MS: u64 = 3_000;
/// Validity of the ticket that is printed at the start.
const FIRST_TICKET: Duration = Duration::from_secs(24 * 60 * 60);

/// Run the server
///
/// The first start creates a key and a store. Once the server is reachable it prints on stderr
/// "qmsg: listening on ADDR:PORT pin SHA256:…", and then how to join.
///
/// On a loopback address, anybody on the machine may claim an id. On any other address a new id
/// requires a ticket (qmsg invite), unless --open is given. SIGINT, SIGTERM or SIGHUP stops the
/// server once it has finished the batch it is writing; under nohup SIGHUP does nothing.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  qmsg serve                        for this machine, on 127.0.0.1:4433
  qmsg serve --listen :4433         for others too; prints a ticket for the first
  qmsg serve --data /srv/qmsg --listen 192.0.2.7:4433")]
pub(crate) struct ServeArgs {
    /// Address and UDP port to listen on; port 0 takes a free one
    ///
    /// A host name is resolved at the start; :PORT is every IPv4 address, [::]:PORT every address.
    #[arg(
        short,
        long,
        value_name = "HOST:PORT",
        env = "QMSG_LISTEN",
        default_value = "127.0.0.1:4433"
    )]
    listen: address::Listen,
    /// Directory for messages and keys
    ///
    /// Default: the first directory in $STATE_DIRECTORY if systemd set it, otherwise
    /// $XDG_DATA_HOME/qmsg/server or
    /// ~/.local/share/qmsg/server. One server at a time can use it.
    #[arg(long, value_name = "DIR", env = "QMSG_DATA")]
    data: Option<PathBuf>,
    /// Directory with a cert.pem and key.pem of your own
    ///
    /// Without it the server uses the key created at its first start. Clients pin the key: the
    /// certificate may be renewed with the same key.
    #[arg(long, value_name = "DIR", env = "QMSG_CERTS")]
    certs: Option<PathBuf>,
    /// Create a new key if the server's key is missing, even if the store has users
    ///
    /// Clients reject a server with another key until its pin is in their profiles. An existing key
    /// is never replaced.
    #[arg(long, conflicts_with = "certs")]
    new_key: bool,
    /// Let anybody who can reach the server claim an id, without a ticket
    #[arg(long, env = "QMSG_OPEN", value_parser = FalseyValueParser::new())]
    open: bool,
    /// Threads that handle connections
    ///
    /// Default: one less than the number of cores, since the store writes on its own thread. One
    /// is fastest for few connections.
    #[arg(
        long,
        value_name = "N",
        env = "QMSG_THREADS",
        value_parser = value_parser!(u16).range(1..=256)
    )]
    threads: Option<u16>,
    /// Also print the address and the pin on stdout, as a JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    upkeep: Upkeep,
    #[command(flatten)]
    bounds: Bounds,
}

/// Flags for maintenance, which run instead of the server.
#[derive(Debug, Args)]
#[command(next_help_heading = "Maintenance")]
struct Upkeep {
    /// Copy the store and the key to this directory, and exit
    ///
    /// The server may be running. The copy contains everything acknowledged before it began, and is
    /// a data directory itself: to restore it, stop the server and put it in place of the old one.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["check_store", "new_key"])]
    backup: Option<PathBuf>,
    /// Check the store, repair it if it is damaged, and exit
    ///
    /// The server must not be running. Everything readable in a damaged store is copied to a new
    /// file; the damaged one is kept beside it. Exits 0 if nothing is lost, otherwise 13.
    #[arg(long, conflicts_with = "new_key")]
    check_store: bool,
}

/// Flags for limits.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
struct Bounds {
    /// Maximum size of a message body
    #[arg(
        long,
        value_name = "SIZE",
        env = "QMSG_MAX_BODY",
        default_value = "1MiB",
        value_parser = units::size_of_some
    )]
    max_body: u64,
    /// Maximum number of unread messages per user, and of messages per room
    ///
    /// A user's full mailbox refuses new messages. A full room drops its oldest messages instead,
    /// and members who had not read them are told how many.
    #[arg(long, value_name = "N", env = "QMSG_MAX_MAILBOX", default_value = "100000")]
    max_mailbox: u64,
    /// Maximum bytes of unread messages per user, and of messages per room
    #[arg(
        long,
        value_name = "SIZE",
        env = "QMSG_MAX_MAILBOX_BYTES",
        default_value = "1GiB",
        value_parser = units::size
    )]
    max_mailbox_bytes: u64,
    /// Maximum size of the store's file; beyond it the disk counts as full
    ///
    /// Default: as much as the disk has. The write-ahead log, about 8 MiB, is not counted.
    #[arg(long, value_name = "SIZE", env = "QMSG_MAX_STORE", value_parser = units::size)]
    max_store: Option<u64>,
    /// Maximum bytes of unacknowledged messages, all readers together
    ///
    /// Messages that were sent to a reader and not acknowledged are held in memory. At this limit
    /// each reader gets 64 KiB at a time, however much it asks for.
    #[arg(
        long,
        value_name = "SIZE",
        env = "QMSG_MAX_IN_FLIGHT",
        default_value = "256MiB",
        value_parser = units::size
    )]
    max_in_flight: u64,
    /// Maximum number of connections
    #[arg(long, value_name = "N", env = "QMSG_MAX_LINKS", default_value = "20000")]
    max_links: usize,
    /// Maximum number of users
    #[arg(long, value_name = "N", env = "QMSG_MAX_USERS", default_value = "1000000")]
    max_users: u64,
    /// Maximum number of rooms
    #[arg(long, value_name = "N", env = "QMSG_MAX_ROOMS", default_value = "100000")]
    max_rooms: u64,
    /// How long to keep a message after all its readers have processed it
    ///
    /// A bare number is seconds.
    #[arg(
        long,
        value_name = "TIME",
        env = "QMSG_KEEP",
        default_value = "24h",
        value_parser = units::duration
    )]
    keep: Duration,
    /// How long to keep a message that has not been processed
    ///
    /// A bare number is seconds.
    #[arg(
        long,
        value_name = "TIME",
        env = "QMSG_KEEP_UNREAD",
        default_value = "720h",
        value_parser = units::duration
    )]
    keep_unread: Duration,
    /// How long to remember message ids, to recognize a repeated message
    ///
    /// A bare number is seconds.
    #[arg(
        long,
        value_name = "TIME",
        env = "QMSG_DUPLICATE_WINDOW",
        default_value = "168h",
        value_parser = units::duration
    )]
    duplicate_window: Duration,
}

impl Bounds {
    fn limits(&self, code_needed: bool, is_restart: bool) -> Limits {
        Limits {
            resume_grace_ms: if is_restart { GATHER_MS } else { 0 },
            links_max: self.max_links,
            body_len_max: self.max_body,
            budget_bytes_max: self.max_in_flight,
            id_age_ms_max: self.duplicate_window.as_millis() as u64,
            code_needed,
            ..Limits::default()
        }
    }

    fn quotas(&self) -> Quotas {
        Quotas {
            log_messages_max: self.max_mailbox,
            log_bytes_max: self.max_mailbox_bytes,
            users_max: self.max_users,
            rooms_max: self.max_rooms,
            duplicate_window_ms: self.duplicate_window.as_millis() as u64,
            keep_processed_ms: self.keep.as_millis() as u64,
            keep_unprocessed_ms: self.keep_unread.as_millis() as u64,
            store_bytes_max: self.max_store.unwrap_or_default(),
            ..Quotas::default()
        }
    }
}

pub(crate) fn run(args: &ServeArgs, verbosity: Verbosity) -> Result<Exit> {
    // The runtime catches SIGXFSZ, and must do so before anything is written.
    let runtime = runtime::server_runtime(args.threads.map_or_else(runtime::threads, usize::from))?;
    let data = data_directory(args.data.as_deref())?;
    if let Some(to) = &args.upkeep.backup {
        return upkeep::backup(&data, args.certs.is_some(), to, verbosity);
    }
    if args.upkeep.check_store {
        return upkeep::check(&data, args.json);
    }
    data::prepare(&data)?;
    if data::has_lost_store(&data, args.certs.as_deref())? {
        let dir = data.display();
        notices::announce(&format!("{dir} has a key but no store: creating an empty one"));
        notices::announce(
            "every user has to join again; to restore a backup, stop the server first",
        );
    }
    let identity = data::identity(&data, args.certs.as_deref(), args.new_key)?;
    let pin = identity.pin();
    let secrets = data::secrets(&data)?;
    let listen = args.listen.resolve().map_err(|error| {
        Failure::new(Exit::Config, format!("cannot listen on {}", args.listen))
            .hint("--listen takes an address or a name of this machine")
            .because(error)
    })?;
    let code_needed = !args.open && !listen.ip().is_loopback();
    let is_restart = store::is_there(&data);
    let settings = Settings {
        data: data.clone(),
        endpoint: ServerSettings {
            address: listen,
            identity,
            secrets,
            body_len_max: args.bounds.max_body,
            handshake_deadline: HANDSHAKE_DEADLINE,
            peer_list: Some(data.join("links")),
        },
        limits: args.bounds.limits(code_needed, is_restart),
        quotas: args.bounds.quotas(),
    };
    let exit = runtime.block_on(async {
        let server = Server::start(settings).map_err(|error| match error {
            StartError::Store(error) => data::unopened(error, &data),
            StartError::Bind(error) => unbound(error, listen),
        })?;
        let stop = stop_signal()?;
        announce(args, &data, server.local_addr(), pin, verbosity)?;
        // A task runs on a worker thread, together with the connections.
        let serving = tokio::spawn(async move {
            let mut exit = Exit::Unexpected;
            server.run(async { exit = stop.await }).await.map(|()| exit)
        });
        let ended = serving.await.context("the server broke off")?;
        ended.map_err(|error| data::failed(error, &data))
    })?;
    Ok(exit)
}

/// Prints the server's address, and how to join it.
fn announce(
    args: &ServeArgs,
    data: &Path,
    address: SocketAddr,
    pin: Pin,
    verbosity: Verbosity,
) -> Result<()> {
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        protocol = %String::from_utf8_lossy(ALPN),
        features = %Features::KNOWN,
        store_format = FORMAT,
        "serving"
    );
    notices::note(verbosity, &format!("listening on {address} pin {pin}"));
    if args.json {
        print::object(&[
            ("listening", address.to_string().into()),
            ("pin", pin.to_string().into()),
        ])?;
    }
    let mut server = args.listen.reached(address);
    if address.ip().is_unspecified() {
        // The server does not know by which name others reach it.
        PLACEHOLDER.clone_into(&mut server.host);
    }
    if address.ip().is_loopback() {
        notices::note(verbosity, &format!("join with: qmsg join ID --server {server}"));
    } else if args.open {
        notices::note(verbosity, &format!("join with: qmsg join ID --server {server} --pin {pin}"));
    } else {
        let ticket = ticket(data, server, pin, FIRST_TICKET)?;
        notices::note(verbosity, &format!("ticket (one use, 24h): qmsg join ID {ticket}"));
        if address.ip().is_unspecified() {
            let what = format!("replace {PLACEHOLDER} with this machine's name or address");
            notices::note(verbosity, &what);
        }
        notices::note(verbosity, "for more tickets: qmsg invite HOST:PORT");
    }
    Ok(())
}

fn unbound(error: BindError, listen: SocketAddr) -> anyhow::Error {
    let hint = match &error {
        BindError::Socket { source, .. } if source.kind() == ErrorKind::AddrNotAvailable => {
            "it is not an address of this machine: see `ip address`; --listen :PORT takes all"
        }
        _ => "is another server running there? --listen names another address or port",
    };
    Failure::new(Exit::Config, format!("cannot listen on {listen}")).hint(hint).because(error)
}

/// The data directory: `--data`, or systemd's state directory, or the user's.
pub(crate) fn data_directory(given: Option<&Path>) -> Result<PathBuf> {
    if let Some(given) = given {
        return Ok(given.to_owned());
    }
    // A unit may have several directories, separated by colons (systemd.exec(5)).
    let list = env::var_os("STATE_DIRECTORY").unwrap_or_default();
    match env::split_paths(&list).find(|directory| !directory.as_os_str().is_empty()) {
        Some(directory) => Ok(directory),
        None => Ok(home::data_home()?.join("server")),
    }
}

/// Creates a ticket for one new id.
pub(crate) fn ticket(
    data: &Path,
    server: address::ServerAddress,
    pin: Pin,
    good_for: Duration,
) -> Result<JoinTicket> {
    let mut code = [0; 16];
    rand::fill(&mut code).map_err(|_| Failure::new(Exit::Unexpected, "no random bytes"))?;
    let code = JoinCode(code);
    let expires = clock::now_ms() + good_for.as_millis() as u64;
    store::invite(data, &code, expires).map_err(|error| data::unopened(error, data))?;
    Ok(JoinTicket { server, pin, code })
}
