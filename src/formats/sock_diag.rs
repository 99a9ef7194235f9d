//! The kernel's answers about its TCP sockets over netlink (`NETLINK_SOCK_DIAG`, sock_diag(7), `linux/inet_diag.h`): what `ss`
//! asks. The text of `/proc/net/tcp` says the same, and costs five times as much of a core.

/// Address families.
pub const FAMILIES: [u8; 2] = [2, 10];
/// Bits of states.
pub const ESTABLISHED: u32 = 1 << 1;
/// Sockets that wait for connections.
pub const LISTEN: u32 = 1 << 10;

const HEADER: usize = 16;
const REQUEST: usize = HEADER + 56;
/// Bytes of the part of a socket's message that has a fixed place.
const SOCKET: usize = HEADER + 72;

/// `SOCK_DIAG_BY_FAMILY`.
const BY_FAMILY: u16 = 20;
/// `NLM_F_REQUEST | NLM_F_DUMP`.
const DUMP: u16 = 0x301;
const ERROR: u16 = 2;
const DONE: u16 = 3;
const TCP: u8 = 6;

/// A TCP socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Socket {
    /// Its own port.
    pub local: u16,
    /// The other side's.
    pub remote: u16,
    /// Bytes that nobody has read; of a listening socket connections that wait to be accepted.
    pub unread: u32,
}

/// A message of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// One socket.
    Socket(Socket),
    /// There are no more.
    Done,
    /// The kernel refuses, by this error number.
    Refused(i32),
}

/// Asks for all TCP sockets of an address family in these states.
#[must_use]
pub fn request(family: u8, states: u32) -> [u8; REQUEST] {
    let mut bytes = [0; REQUEST];
    bytes[..4].copy_from_slice(&(REQUEST as u32).to_ne_bytes());
    bytes[4..6].copy_from_slice(&BY_FAMILY.to_ne_bytes());
    bytes[6..8].copy_from_slice(&DUMP.to_ne_bytes());
    bytes[HEADER..HEADER + 2].copy_from_slice(&[family, TCP]);
    bytes[HEADER + 4..HEADER + 8].copy_from_slice(&states.to_ne_bytes());
    bytes
}

/// Messages of one piece of an answer; what is cut off or of another kind is passed over.
pub fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Message> + '_ {
    std::iter::from_fn(move || {
        loop {
            let length = u32::from_ne_bytes(*bytes.first_chunk()?) as usize;
            let message = bytes.get(..length).filter(|m| m.len() >= HEADER)?;
            // The next begins at a multiple of four.
            bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
            if let Some(message) = read(message) {
                return Some(message);
            }
        }
    })
}

fn read(message: &[u8]) -> Option<Message> {
    match u16::from_ne_bytes([message[4], message[5]]) {
        DONE => Some(Message::Done),
        ERROR => Some(Message::Refused(i32::from_ne_bytes(*message.get(HEADER..)?.first_chunk()?))),
        BY_FAMILY => socket(message).map(Message::Socket),
        _ => None,
    }
}

/// Family, state, timer and retransmissions are a byte each; then ports in network order, addresses, interface and cookie (48
/// bytes from the ports on), the timer's end, and the queues.
fn socket(message: &[u8]) -> Option<Socket> {
    let fixed = &message.get(..SOCKET)?[HEADER..];
    let port = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
    let unread = u32::from_ne_bytes(*fixed[56..].first_chunk()?);
    Some(Socket { local: port(4), remote: port(6), unread })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the kernel writes it.
    fn message(kind: u16, fixed: &[u8]) -> Vec<u8> {
        let mut all = ((HEADER + fixed.len()) as u32).to_ne_bytes().to_vec();
        all.extend_from_slice(&kind.to_ne_bytes());
        all.extend_from_slice(&[0; 10]);
        all.extend_from_slice(fixed);
        all.resize(all.len().next_multiple_of(4), 0);
        all
    }

    fn described(local: u16, remote: u16, unread: u32) -> Vec<u8> {
        let mut fixed = vec![2, 1, 0, 0];
        fixed.extend_from_slice(&local.to_be_bytes());
        fixed.extend_from_slice(&remote.to_be_bytes());
        fixed.resize(56, 0);
        fixed.extend_from_slice(&unread.to_ne_bytes());
        fixed.resize(72, 0);
        // An attribute that nobody asked for.
        fixed.extend_from_slice(&[5, 0, 8, 0, 0]);
        message(BY_FAMILY, &fixed)
    }

    #[test]
    fn sockets_are_read_up_to_the_end() {
        let mut answer = [described(8080, 49_153, 87), message(4, &[]), described(49_153, 8080, 0)].concat();
        answer.extend(message(DONE, &[0; 4]));
        let sockets: Vec<_> = messages(&answer).collect();
        let one = Socket { local: 8080, remote: 49_153, unread: 87 };
        let other = Socket { local: 49_153, remote: 8080, unread: 0 };
        assert_eq!(sockets, [Message::Socket(one), Message::Socket(other), Message::Done]);
        let refused: Vec<_> =
            messages(&message(ERROR, &(-2_i32).to_ne_bytes())).map(|m| format!("{m:?}")).collect();
        assert_eq!(refused, ["Refused(-2)"]);
    }

    #[test]
    fn what_is_cut_off_ends_it() {
        let answer = described(8080, 1, 87);
        for cut in 0..answer.len() {
            let most = usize::from(cut >= HEADER + 72 + 5);
            assert!(messages(&answer[..cut]).count() <= most, "{cut}");
        }
        let endless = [0_u8; 64];
        assert_eq!(messages(&endless).count(), 0);
        let short = message(BY_FAMILY, &[2, 1, 0, 0]);
        assert_eq!(messages(&short).count(), 0);
    }
}
