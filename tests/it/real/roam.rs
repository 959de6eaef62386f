//! A client on another machine, by network namespaces: no network, another network, other addresses
//! on either side. Skipped where namespaces or `ip` are missing.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::needs::needs;

use super::kit::{Home, Running, Server, Stream, start};
use super::wait::pause;

/// Bound for a listener to be back, or to show a message, after a network change. Without noticing
/// the change it would take up to 20 s.
const SOON: Duration = Duration::from_secs(8);
/// Time to watch for output that would come again and again.
const WHILE: Duration = Duration::from_secs(4);

/// Two machines and a cable between them.
struct Net {
    home: Home,
    there: Child,
    here: Child,
}

impl Net {
    /// Two machines without addresses. The test must have a `needs!("networks")`.
    fn new() -> Self {
        let home = Home::new();
        // On both machines the server's name is looked up in a file of the test.
        fs::write(home.path().join("hosts"), "10.9.0.1 hub\n").unwrap();
        let begin = "ip link set lo up && mount --bind hosts /etc/hosts && echo && exec cat";
        let there = holder(home.program("unshare", &["-rnm", "/bin/sh", "-c", begin]));
        let mut command = within(&home, &there, &["unshare", "-n", "/bin/sh", "-c"]);
        command.arg("ip link set lo up && echo && exec cat");
        let here = holder(command);
        let net = Self { home, there, here };
        let id = net.here.id().to_string();
        net.set(&net.there, &format!("link add v0 type veth peer name v1 netns {id}"));
        net.set(&net.there, "link set v0 up");
        net.set(&net.there, "addr add 10.9.0.1/24 dev v0");
        net.set(&net.there, "addr add 10.9.0.5/24 dev v0");
        net
    }

    /// Connects the client to the network.
    fn plug(&self) {
        self.set(&self.here, "link set v1 up");
        self.set(&self.here, "addr add 10.9.0.2/24 dev v1");
    }

    /// Changes the network of one machine.
    fn set(&self, machine: &Child, what: &str) {
        let args: Vec<&str> = std::iter::once("ip").chain(what.split(' ')).collect();
        let said = start(within(&self.home, machine, &args)).end();
        assert_eq!(said.code, Some(0), "ip {what}: {}", said.stderr);
    }

    fn serve(&self, listen: &str) -> Server {
        let data = self.home.data();
        let args =
            ["qmsg", "serve", "--open", "--data", data.to_str().unwrap(), "--listen", listen];
        Server::start(within(&self.home, &self.there, &args))
    }

    /// Joins alice and bob on the server's machine.
    fn join(&self, server: &Server, host: &str) {
        for id in ["alice", "bob"] {
            let args = ["qmsg", "join", id, "-s", host, "--pin", &server.pin];
            start(within(&self.home, &self.there, &args)).end().ok();
        }
    }

    fn listen(&self, server: &str) -> Running {
        let args = ["qmsg", "listen", "--as", "bob", "-s", server];
        start(within(&self.home, &self.here, &args))
    }

    /// Starts a listener, and waits until it has caught up and is in the server's list of peers.
    fn listens(&self, server: &str) -> Running {
        let listener = self.listen(server);
        let links = self.home.data().join("links");
        super::wait::until_file(&links, |text| text.contains("10.9.0.2"));
        listener
    }

    /// Sends a message from the server's machine.
    fn send(&self, server: &str, body: &str) {
        let args = ["qmsg", "send", "bob", "--as", "alice", "-s", server, body];
        start(within(&self.home, &self.there, &args)).end().ok();
    }

    /// Error of a send from the client's machine that fails within this time.
    fn failing(&self, server: &str, timeout: &str) -> String {
        let to = ["qmsg", "send", "bob", "--as", "alice", "-s", server];
        let args = [&to[..], &["--timeout", timeout, "x"]].concat();
        let said = start(within(&self.home, &self.here, &args)).end();
        said.code(69);
        assert!(!said.stderr.contains("sendmsg"), "{}", said.stderr);
        said.stderr
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for holder in [&mut self.here, &mut self.there] {
            let _ = holder.kill();
            let _ = holder.wait();
        }
    }
}

/// Process that keeps a namespace alive during the test.
fn holder(mut command: Command) -> Child {
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "\n", "it has its namespace");
    child
}

fn within(home: &Home, machine: &Child, args: &[&str]) -> Command {
    let id = machine.id().to_string();
    let enter = ["--preserve-credentials", "-U", "-n", "-m", "-t", &id];
    home.program("nsenter", &[&enter[..], args].concat())
}

fn shows_soon(listener: &mut Running, stream: Stream, text: &str) -> Duration {
    let begun = Instant::now();
    listener.until_in(SOON, stream, text);
    begun.elapsed()
}

#[test]
fn loss_and_return_of_the_network_are_reported_once() {
    needs!("networks");
    let net = Net::new();
    let server = net.serve("10.9.0.1:0");
    net.join(&server, &server.address);
    let offline =
        format!("no link to {}: the network is unreachable; trying again", server.address);
    let mut listener = net.listen(&server.address);
    shows_soon(&mut listener, Stream::Err, &offline);
    assert!(net.failing(&server.address, "1s").contains("the network is unreachable"));
    pause(WHILE);
    net.plug();
    shows_soon(&mut listener, Stream::Err, "linked to");
    net.send(&server.address, "first");
    shows_soon(&mut listener, Stream::Out, "first\n");
    net.set(&net.here, "link set v1 down");
    pause(WHILE);
    net.set(&net.here, "link set v1 up");
    let took = shows_soon(&mut listener, Stream::Err, &format!("{} again", server.address));
    println!("back {took:.1?} after the network");
    net.send(&server.address, "second");
    shows_soon(&mut listener, Stream::Out, "second\n");
    listener.signal("TERM");
    let said = listener.end();
    assert_eq!(said.stderr.lines().count(), 4, "{}", said.stderr);
    assert_eq!(said.stderr.matches(&offline).count(), 2, "{}", said.stderr);
}

#[test]
fn a_listener_with_a_new_address_gets_messages_at_once() {
    needs!("networks");
    let net = Net::new();
    let server = net.serve("10.9.0.1:0");
    net.join(&server, &server.address);
    net.plug();
    let mut listener = net.listens(&server.address);
    net.set(&net.here, "addr add 10.9.0.77/24 dev v1");
    net.set(&net.here, "addr del 10.9.0.2/24 dev v1");
    // A secondary address goes with its primary one, unless it is promoted.
    drop(
        start(within(&net.home, &net.here, &["ip", "addr", "add", "10.9.0.77/24", "dev", "v1"]))
            .end(),
    );
    let begun = Instant::now();
    net.send(&server.address, "moved");
    shows_soon(&mut listener, Stream::Out, "moved\n");
    println!("shown {:.1?} after it was sent", begun.elapsed());
    listener.signal("TERM");
    assert_eq!(listener.end().stderr, "", "the link is the same");
}

#[test]
fn a_server_answers_from_the_address_that_was_dialled() {
    needs!("networks");
    for listen in ["0.0.0.0:4433", "[::]:4433"] {
        let net = Net::new();
        let server = net.serve(listen);
        net.join(&server, "10.9.0.5:4433");
        net.plug();
        let mut listener = net.listens("10.9.0.5:4433");
        net.send("10.9.0.5:4433", "first");
        shows_soon(&mut listener, Stream::Out, "first\n");
        // Clients that know only that address get the next server's restart notice.
        server.kill();
        let _server = net.serve(listen);
        net.send("10.9.0.5:4433", "second");
        let took = shows_soon(&mut listener, Stream::Out, "second\n");
        println!("back {took:.1?} after the start on {listen}");
    }
}

#[test]
fn a_server_that_moves_is_found_by_its_name() {
    needs!("networks");
    let net = Net::new();
    let server = net.serve("10.9.0.1:4433");
    net.join(&server, "hub:4433");
    net.plug();
    let mut listener = net.listens("hub:4433");
    server.stop("TERM");
    listener.until(Stream::Err, "trying again");
    // The host is gone, and no ICMP error says so.
    net.set(&net.there, "addr del 10.9.0.1/24 dev v0");
    drop(
        start(within(&net.home, &net.there, &["ip", "addr", "add", "10.9.0.5/24", "dev", "v0"]))
            .end(),
    );
    pause(Duration::from_secs(1));
    let _server = net.serve("10.9.0.5:4433");
    fs::write(net.home.path().join("hosts"), "10.9.0.5 hub\n").unwrap();
    let took = shows_soon(&mut listener, Stream::Err, "again\n");
    println!("back {took:.1?} after the move");
}

#[test]
fn obstacles_on_the_path_are_reported() {
    needs!("networks");
    let net = Net::new();
    let server = net.serve("10.9.0.1:0");
    net.join(&server, &server.address);
    net.plug();
    net.set(&net.here, "route add unreachable 10.11.0.0/16");
    assert!(net.failing("10.11.0.1:4433", "1s").contains("the host is unreachable"));
    assert!(net.failing("10.9.0.1:9", "1s").contains("nothing listens there"));
    net.set(&net.here, "route add prohibit 10.10.0.0/16");
    assert!(net.failing("10.10.0.1:4433", "1s").contains("a firewall forbids it"));
    // An address family without a network, or a silent address, does not delay one that works.
    let hosts = net.home.path().join("hosts");
    fs::write(&hosts, "fd00:9::1 hub\n10.9.0.1 hub\n").unwrap();
    let hub = format!("hub:{}", server.address.rsplit(':').next().unwrap());
    let send = ["qmsg", "send", "bob", "--as", "alice", "-s", &hub, "x"];
    start(within(&net.home, &net.here, &send)).end().ok();
    net.set(&net.here, "addr add fd00:9::2/64 dev v1 nodad");
    let begun = Instant::now();
    start(within(&net.home, &net.here, &send)).end().ok();
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    net.set(&net.here, "link set v1 mtu 1200");
    let said = net.failing(&server.address, "1s");
    assert!(said.contains("does not carry packets of 1,200 bytes"), "{said}");
    assert!(said.contains("raise the MTU"), "{said}");
}
