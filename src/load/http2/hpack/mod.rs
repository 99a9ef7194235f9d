//! Header compression (RFC 7541), as far as a client without a dynamic table needs it: the static table,
//! literals, Huffman codes on the way in.

pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod huffman;
pub(crate) mod table;
