//! JSON as the test vectors have it.

use serde::{Serialize, Serializer};

/// JSON whose names stay in the order given.
pub(super) enum Node {
    Null,
    Number(u64),
    Text(String),
    List(Vec<Node>),
    Named(Vec<(&'static str, Node)>),
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Node::Null => serializer.serialize_none(),
            Node::Number(number) => serializer.serialize_u64(*number),
            Node::Text(text) => serializer.serialize_str(text),
            Node::List(nodes) => serializer.collect_seq(nodes),
            Node::Named(nodes) => serializer.collect_map(nodes.iter().map(|(name, node)| (name, node))),
        }
    }
}

impl From<u64> for Node {
    fn from(number: u64) -> Node {
        Node::Number(number)
    }
}

impl From<&str> for Node {
    fn from(text: &str) -> Node {
        Node::Text(text.to_owned())
    }
}

impl From<String> for Node {
    fn from(text: String) -> Node {
        Node::Text(text)
    }
}

impl From<Vec<Node>> for Node {
    fn from(nodes: Vec<Node>) -> Node {
        Node::List(nodes)
    }
}

impl<T: Into<Node>> From<Option<T>> for Node {
    fn from(node: Option<T>) -> Node {
        node.map_or(Node::Null, Into::into)
    }
}

pub(super) fn hex(bytes: impl AsRef<[u8]>) -> Node {
    Node::Text(bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}
