//! The library as a web server sees it: records over real sockets, against a real server or the `testbed` example.
//!
//! `wire` is the web server's part, written from the specification and not from the library, so that the two can
//! disagree. `served` runs a server inside this process, `testbed` one of its own, `port` is a port of TCP, `steady` bears with a
//! machine that stands still.
//! All other modules are tests.

mod log;
mod port;
mod served;
mod steady;
mod testbed;
mod wire;

mod aborts;
mod access_log;
mod answers;
mod bad_input;
mod bad_setups;
mod bench;
mod body;
#[cfg(feature = "toolbox")]
mod check;
#[cfg(feature = "toolbox")]
mod check_connect;
mod cherokee;
mod cli;
mod comparison;
mod conversations;
mod cuts;
mod deploy;
#[cfg(feature = "toolbox")]
mod directives;
#[cfg(feature = "toolbox")]
mod documents;
mod explain;
#[cfg(feature = "toolbox")]
mod eyes;
mod fairness;
mod foreign;
mod forms;
mod get;
#[cfg(feature = "toolbox")]
mod guides;
#[cfg(feature = "http")]
mod http;
mod launches;
mod layers;
mod limits;
mod mod_fastcgi;
mod multiplex;
mod own_flags;
mod pages;
mod panics;
mod parent;
mod premature;
mod request;
mod reserve;
mod response;
mod roles;
mod rules;
mod scarcity;
mod sequence;
mod serve;
mod sockets;
mod start_up;
mod status;
mod stop;
mod streams;
mod surprises;
mod systemd;
mod testing;
mod troubles;
mod unanswered;
mod watch;
