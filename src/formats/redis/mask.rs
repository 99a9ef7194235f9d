//! A command without its arguments.

/// Longest part of a key that is kept.
const PART: usize = 20;
/// Longest pattern.
const PATTERN: usize = 80;
/// Commands whose first argument is a key. All others may carry secrets or scripts there (`AUTH`, `CONFIG
/// SET`, `EVAL`), so nothing of them is kept but the name.
const KEYED: &str = " get set setex psetex setnx getset getdel getex append strlen incr incrby incrbyfloat decr \
    decrby mget mset del unlink exists expire pexpire expireat ttl pttl persist type rename copy touch dump \
    hget hset hsetnx hmget hmset hgetall hdel hlen hkeys hvals hexists hincrby hincrbyfloat hscan hrandfield \
    lpush rpush lpushx rpushx lpop rpop lrange llen lindex lset lrem ltrim linsert lpos lmove rpoplpush blpop \
    brpop blmove sadd srem smembers sismember smismember scard spop srandmember sinter sunion sdiff sscan smove \
    sinterstore sunionstore sdiffstore zadd zrem zrange zrangebyscore zrangebylex zrevrange zrevrangebyscore \
    zrank zrevrank zscore zmscore zcard zcount zincrby zpopmin zpopmax zscan zrangestore zunionstore \
    zinterstore zremrangebyrank zremrangebyscore bzpopmin bzpopmax setbit getbit bitcount bitpos bitfield \
    setrange getrange pfadd pfcount pfmerge geoadd geosearch geodist geopos xadd xlen xrange xrevrange xtrim \
    xack xdel xpending sort sort_ro ";

/// A command and the pattern of its first key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Masked {
    /// Name in lower case, with its subcommand if it has one (`config get`).
    pub command: String,
    /// Pattern of the first key, e.g. `user:*:cart`; none if the command has no key there.
    pub key: Option<String>,
    /// Number of arguments.
    pub arguments: usize,
}

/// Masks a command as it stands in the slow log: the name first, then its arguments.
#[must_use]
pub fn masked<T: AsRef<[u8]>>(words: &[T]) -> Masked {
    let text = |at: usize| words.get(at).map(|w| String::from_utf8_lossy(w.as_ref()).to_lowercase());
    let mut command = text(0).unwrap_or_default();
    command.retain(|c| c.is_ascii_alphanumeric() || "._-|".contains(c));
    command.truncate(40);
    let keyed = !command.is_empty() && KEYED.contains(&format!(" {command} "));
    let key = words.get(1).filter(|_| keyed).map(|key| pattern(key.as_ref()));
    if let Some(sub) = text(1).filter(|sub| has_subcommands(&command) && is_word(sub)) {
        command = format!("{command} {sub}");
    }
    Masked { command, key, arguments: words.len().saturating_sub(1) }
}

fn has_subcommands(command: &str) -> bool {
    const CONTAINERS: [&str; 12] = [
        "config", "client", "cluster", "acl", "memory", "object", "script", "function", "xgroup", "xinfo",
        "latency", "debug",
    ];
    CONTAINERS.contains(&command)
}

fn is_word(text: &str) -> bool {
    (1..=20).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
}

/// A key with its changing parts replaced: what holds a digit, what is long, and what is no plain word.
#[must_use]
pub fn pattern(key: &[u8]) -> String {
    let key = String::from_utf8_lossy(key);
    let mut pattern = String::new();
    for piece in key.split_inclusive([':', '/', '.', '|', '-', '{', '}', '#']) {
        let part = piece.trim_end_matches([':', '/', '.', '|', '-', '{', '}', '#']);
        let plain = part.len() <= PART && part.chars().all(|c| c.is_ascii_alphabetic() || c == '_');
        if plain {
            pattern.push_str(part);
        } else if !pattern.ends_with('*') {
            pattern.push('*');
        }
        pattern.push_str(&piece[part.len()..]);
        if pattern.len() > PATTERN {
            pattern.push('*');
            break;
        }
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_name_and_the_shape_of_a_key_are_kept() {
        let of = |line: &str| {
            let m = masked(&line.split(' ').collect::<Vec<_>>());
            (m.command, m.key.unwrap_or_default(), m.arguments)
        };
        assert_eq!(of("SET user:12345:cart secret"), ("set".into(), "user:*:cart".into(), 2));
        assert_eq!(of("AUTH hunter"), ("auth".into(), String::new(), 1));
        assert_eq!(of("CONFIG SET requirepass hunter"), ("config set".into(), String::new(), 3));
        assert_eq!(of("EVAL return(redis.call('get','x')) 0").1, "");
        assert_eq!(of("GET 0f8fad5b-d9cb-469f-a165-70867728950e").1, "*-*-*-*-*");
        assert_eq!(of("KEYS *"), ("keys".into(), String::new(), 1));
        assert_eq!(masked::<&[u8]>(&[]).command, "");
        assert_eq!(pattern("gr\u{fc}n:x".as_bytes()), "*:x");
    }
}
