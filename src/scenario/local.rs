//! Which addresses load may go to without being asked for.

use std::net::IpAddr;

use super::Target;

/// Whether an address is this machine or in a private network (RFC 1918, RFC 4193). Link-local addresses are
/// not: cloud machines serve their credentials on one.
#[must_use]
pub fn is_local(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local(),
    }
}

impl Target {
    /// Whether load may go to `ip`, which `host` was resolved to: local, or its host is in `allow`.
    #[must_use]
    pub fn allows(&self, host: &str, ip: IpAddr) -> bool {
        is_local(ip) || self.allow.iter().any(|allowed| allowed.eq_ignore_ascii_case(host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_and_private_addresses_are_local() {
        for (ip, local) in [
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("10.1.2.3", true),
            ("172.16.0.1", true),
            ("172.32.0.1", false),
            ("192.168.1.1", true),
            ("169.254.169.254", false),
            ("0.0.0.0", false),
            ("8.8.8.8", false),
            ("::1", true),
            ("fd00::1", true),
            ("fe80::1", false),
            ("::ffff:10.0.0.1", true),
            ("::ffff:8.8.8.8", false),
        ] {
            assert_eq!(is_local(ip.parse().expect("an address")), local, "{ip}");
        }
    }
}
