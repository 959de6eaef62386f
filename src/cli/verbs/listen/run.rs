//! `qmsg listen`.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use rustix::io::Errno;

use crate::cli::args::profile;
use crate::cli::verbs::listen::args::{self, ListenArgs};
use crate::cli::verbs::listen::dead;
use crate::cli::verbs::listen::printer::Printer;
use crate::client::{Client, ClientError, ClientSettings, Readiness};
use crate::failure::Exit;
use crate::handler::exec::Handler;
use crate::handler::inbox::Inbox;
use crate::handler::runner::{self, Runner};
use crate::handler::step::{ConsumerStep, pause};
use crate::logic::{Command, Event};
use crate::message::received::Received;
use crate::process::runtime;
use crate::process::signals::Stops;
use crate::profile::dial;
use crate::profile::joined::Profile;
use crate::profile::refusals;
use crate::quic::Trust;
use crate::terminal::verbosity::Verbosity;
use crate::wire::{Pin, Seq};

/// Time limits for recording acks at the end: after listening ended by itself, and after a signal.
const GOODBYE: Duration = Duration::from_secs(10);
const GOODBYE_QUICK: Duration = Duration::from_secs(1);
/// Keep-alive interval of a sharing listener. It has to notice a restart of the server soon, and
/// resume its deliveries before other readers get them.
const SHARING_KEEP_ALIVE: Duration = Duration::from_secs(1);
/// Time that `--poll` waits for an answer from the server.
const POLL_PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn run(args: &ListenArgs, verbosity: Verbosity) -> Result<Exit> {
    if let Some(task) = dead::task(args) {
        return dead::run(args, task, verbosity);
    }
    let consumer = match args::handler(args) {
        Some((handler, policy)) => {
            check(&handler)?;
            Handler::close_other_descriptors();
            Consumer::Run(Runner::new(handler, policy, verbosity))
        }
        None => Consumer::Print(Printer::new(args::print_target(args, verbosity)?)),
    };
    let Profile { id, identity, server, pin } = profile(&args.who)?;
    let dial = dial::dial(&server, Trust::Pin(pin), identity, true);
    let mut settings = ClientSettings::for_id(id.clone(), dial).subscribe(args::prefetch(args));
    if args.share {
        settings = settings.keep_alive(SHARING_KEEP_ALIVE);
    }
    if args.poll {
        settings = settings.patience(POLL_PATIENCE);
    }
    let server = server.to_string();
    let inbox = Inbox::new(args::inbox_wants(args), &server, verbosity);
    let runtime = runtime::runtime()?;
    match runtime.block_on(listen(args, settings.clone(), inbox, consumer))? {
        ListenEnd::Done => Ok(Exit::Success),
        ListenEnd::Signal(exit) => Ok(exit),
        ListenEnd::Failed(error) => Err(error),
        ListenEnd::Client(error) => Err(refusals::client_failure(error, &server, id.as_str())),
        ListenEnd::Timeout { welcomed: false } => {
            Err(refusals::client_failure(settings.no_answer().into(), &server, id.as_str()))
        }
        // The exit code is enough: the user has set the time limit.
        ListenEnd::Timeout { .. } if args.count.is_some() => Ok(Exit::Timeout),
        ListenEnd::Timeout { .. } => Ok(Exit::Success),
    }
}

/// Fails if the handler's command does not exist, before any message comes.
fn check(handler: &Handler) -> Result<()> {
    let is_command = |path: &Path| match path.metadata() {
        Ok(metadata) if metadata.is_file() && metadata.permissions().mode() & 0o111 != 0 => Ok(()),
        Ok(_) => Err(Errno::ACCESS.into()),
        Err(error) => Err(error),
    };
    let program = handler.program();
    let found = match std::env::var_os("PATH") {
        _ if program.components().nth(1).is_some() => is_command(program),
        Some(path) => {
            let mut places = std::env::split_paths(&path).map(|dir| dir.join(program));
            let found = places.any(|path| is_command(&path).is_ok());
            if found { Ok(()) } else { Err(Errno::NOENT.into()) }
        }
        // Without PATH the system uses a default.
        None => Ok(()),
    };
    found.map_err(|error| runner::no_command(handler, error))
}

/// The way listening ended.
enum ListenEnd {
    /// All requested messages are processed, or stdout has no reader.
    Done,
    Timeout {
        welcomed: bool,
    },
    Signal(Exit),
    Client(ClientError),
    Failed(anyhow::Error),
}

async fn listen(
    args: &ListenArgs,
    settings: ClientSettings,
    inbox: Inbox,
    consumer: Consumer,
) -> Result<ListenEnd> {
    let mut signals = Stops::new()?;
    let mut client = Client::start(settings);
    let (poll, shares) = (args.poll, args.share);
    let mut listener = ListenLoop { inbox, consumer, poll, shares };
    let end = tokio::select! {
        biased;
        exit = signals.next_signal() => Some(ListenEnd::Signal(exit)),
        done = listener.run(&mut client) => match done {
            Ok(true) => Some(ListenEnd::Done),
            // The channel of events is closed, so the client has ended.
            Ok(false) => None,
            Err(error) => Some(ListenEnd::Failed(error)),
        },
        () = pause(args.timeout) => {
            Some(ListenEnd::Timeout { welcomed: listener.inbox.is_welcomed() })
        }
    };
    let patience = match end {
        Some(ListenEnd::Done) => GOODBYE,
        // Without a connection there is nothing to record.
        _ if !listener.inbox.is_welcomed() => Duration::ZERO,
        _ => GOODBYE_QUICK,
    };
    let goodbye = listener.finish(client, patience);
    let result = tokio::select! {
        biased;
        // A second signal ends the goodbye.
        _ = signals.next_urgent() => None,
        result = goodbye => result,
    };
    listener.consumer.kill().await;
    match (end, result) {
        (Some(end), _) => Ok(end),
        (None, Some(result)) => Ok(result.map_or_else(ListenEnd::Client, |_| ListenEnd::Done)),
        (None, None) => Ok(ListenEnd::Signal(Exit::Interrupted)),
    }
}

/// The consumer of messages: a printer, or a runner of handlers.
enum Consumer {
    Print(Printer),
    Run(Runner),
}

impl Consumer {
    fn enqueue(&mut self, messages: Vec<Received>) {
        match self {
            Self::Print(printer) => printer.enqueue(messages),
            Self::Run(runner) => runner.enqueue(messages),
        }
    }

    fn is_idle(&self) -> bool {
        match self {
            Self::Print(printer) => printer.is_idle(),
            Self::Run(runner) => runner.is_idle(),
        }
    }

    /// Waits for the next step; pending while there is nothing to do.
    async fn next_step(&mut self) -> Result<ConsumerStep> {
        match self {
            Self::Print(printer) => printer.next_step().await,
            Self::Run(runner) => runner.next_step().await,
        }
    }

    /// Starts no more work until `release`. Returns the seqs of messages that can be returned to
    /// the server.
    fn hold(&mut self) -> Vec<Seq> {
        match self {
            Self::Print(printer) => printer.hold(),
            Self::Run(runner) => runner.hold(),
        }
    }

    /// Drops messages that were returned to the server, and continues.
    fn release(&mut self, seqs: &[Seq]) {
        match self {
            Self::Print(printer) => printer.release(seqs),
            Self::Run(runner) => runner.release(seqs),
        }
    }

    async fn wind_down(&mut self, patience: Duration) -> Vec<Command> {
        match self {
            Self::Print(printer) => printer.wind_down(patience).await,
            Self::Run(runner) => runner.wind_down().await,
        }
    }

    async fn kill(&mut self) {
        if let Self::Run(runner) = self {
            runner.kill().await;
        }
    }
}

/// The loop between the client and the consumer.
struct ListenLoop {
    /// Filter and counters of incoming messages.
    inbox: Inbox,
    consumer: Consumer,
    poll: bool,
    shares: bool,
}

impl ListenLoop {
    /// Runs until all wanted messages are processed. Returns `false` if the client ended before.
    async fn run(&mut self, client: &mut Client) -> Result<bool> {
        while !self.is_done() {
            tokio::select! {
                biased;
                step = self.consumer.next_step() => match step? {
                    ConsumerStep::Say(commands) => request(client, commands).await,
                    ConsumerStep::Unread => return Ok(true),
                },
                ready = client.ready(false) => match ready {
                    Readiness::Events(batch) => self.on_events(batch, client).await?,
                    Readiness::Ended => return Ok(false),
                    Readiness::Place | Readiness::Unreadable(..) => {}
                },
            }
        }
        Ok(true)
    }

    fn is_done(&self) -> bool {
        let enough = self.inbox.is_full() || (self.poll && self.inbox.has_caught_up());
        enough && self.inbox.is_whole() && self.consumer.is_idle()
    }

    async fn on_events(&mut self, batch: Vec<Event>, client: &mut Client) -> Result<()> {
        let mut before = Vec::new();
        for event in batch {
            match event {
                // Messages that were not started may go to other readers while there is no
                // connection.
                Event::Offline if self.shares => {
                    before.push(event);
                    self.receive(std::mem::take(&mut before), client).await?;
                    let seqs = self.consumer.hold();
                    client.request(Command::Return(seqs)).await;
                }
                Event::Returned(seqs) => {
                    self.receive(std::mem::take(&mut before), client).await?;
                    self.inbox.gave_back(seqs.len());
                    self.consumer.release(&seqs);
                }
                event => before.push(event),
            }
        }
        self.receive(before, client).await
    }

    async fn receive(&mut self, events: Vec<Event>, client: &mut Client) -> Result<()> {
        let taken = self.inbox.receive(events, self.consumer.is_idle())?;
        request(client, taken.commands).await;
        if !taken.letters.is_empty() {
            self.consumer.enqueue(taken.letters);
        }
        Ok(())
    }

    /// Lets started work finish, reports it, and lets the client end when the acks are recorded.
    /// Returns the end of the client if it came in time.
    async fn finish(
        &mut self,
        mut client: Client,
        patience: Duration,
    ) -> Option<Result<Pin, ClientError>> {
        let commands = self.consumer.wind_down(patience).await;
        request(&mut client, commands).await;
        self.inbox.clear();
        let ended = tokio::time::timeout(patience, client.close()).await.ok();
        if ended.is_none() {
            tracing::info!(
                "not everything processed was recorded in time: it will be offered again"
            );
        }
        ended
    }
}

async fn request(client: &mut Client, commands: impl IntoIterator<Item = Command>) {
    for command in commands {
        client.request(command).await;
    }
}
