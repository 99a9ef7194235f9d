//! The one look-up of a name, before any load.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use url::{Host, Url};

use super::error::ConnectError;

/// How long the name look-up before the run may take.
const LIMIT: Duration = Duration::from_secs(10);

/// All addresses of a URL's host; none if it has no host. `of` says whose URL it is. Blocks.
pub(super) fn addresses(of: &'static str, url: &Url) -> Result<Option<Vec<SocketAddr>>, ConnectError> {
    let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else { return Ok(None) };
    Ok(Some(match host {
        Host::Ipv4(ip) => vec![SocketAddr::new(IpAddr::V4(ip), port)],
        Host::Ipv6(ip) => vec![SocketAddr::new(IpAddr::V6(ip), port)],
        Host::Domain(name) => of_name(of, name, port)?,
    }))
}

/// The host of a URL without the brackets around an IPv6 address.
pub(super) fn host(url: &Url) -> &str {
    url.host_str().unwrap_or_default().trim_matches(['[', ']'])
}

/// The resolver of the system, on a thread and a runtime of their own so that callers may be anywhere.
fn of_name(of: &'static str, name: &str, port: u16) -> Result<Vec<SocketAddr>, ConnectError> {
    let host = || name.to_owned();
    let failed = |source| ConnectError::Lookup { of, host: host(), source };
    let found = std::thread::scope(|scope| {
        let look_up = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
            let found = runtime.block_on(async {
                tokio::time::timeout(LIMIT, tokio::net::lookup_host((name, port)))
                    .await
                    .map(|found| found.map(Iterator::collect::<Vec<_>>))
            });
            runtime.shutdown_background();
            Ok(found)
        };
        scope.spawn(look_up).join().unwrap_or_else(|_| Err(io::Error::other("the look-up panicked")))
    });
    let found = found.map_err(failed)?.map_err(|_| ConnectError::LookupTimeout { of, host: host() })?;
    let addresses = found.map_err(failed)?;
    if addresses.is_empty() { Err(ConnectError::NoAddress { of, host: host() }) } else { Ok(addresses) }
}
