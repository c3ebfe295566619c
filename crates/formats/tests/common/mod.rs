//! A model to write, and files built by hand that the writer would not write.
#![allow(dead_code, reason = "every test file is a crate of its own and uses a part")]

use std::collections::BTreeMap;

use cellstate_formats::{ModelFile, Parameter, FORMAT_VERSION};
use proptest::test_runner::Config;
use sha2::{Digest, Sha256};

/// The field of a file whose checksum is not computed yet.
pub const NO_CHECKSUM: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// A property test of so many cases, unless the environment variable `PROPTEST_CASES` asks for more
/// or fewer.
pub fn cases(cases: u32) -> Config {
    let default = Config::default();
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    Config { cases: if asked { default.cases } else { cases }, failure_persistence: None, ..default }
}

/// A parameter whose values count upwards in steps of a half.
pub fn parameter(name: &str, shape: &[usize]) -> Parameter {
    let count = shape.iter().product();
    Parameter {
        name: name.to_owned(),
        shape: shape.to_vec(),
        values: (0..count).map(|index| index as f32 * 0.5 - 1.0).collect(),
    }
}

/// A classifier with `units` units, its parameters sorted by name.
pub fn model(units: usize) -> ModelFile {
    ModelFile {
        format_version: FORMAT_VERSION,
        created_by: "0.1.0".to_owned(),
        config: r#"{"layers":["embedding","lstm","dense"],"name":"größe 🐝"}"#.to_owned(),
        parameters: vec![
            parameter("dense.bias", &[2]),
            parameter("dense.weight", &[2, units]),
            parameter("lstm.weight", &[4 * units, 3]),
        ],
        documents: BTreeMap::from([
            ("labels".to_owned(), r#"["neg","pos"]"#.to_owned()),
            ("tokenizer".to_owned(), r#"{"words":["ü","\ud83d"]}"#.to_owned()),
        ]),
        state: Vec::new(),
    }
}

/// A file of that header and payload, exactly.
pub fn file(header: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// Where the digits of the checksum are, if the header has one where it belongs.
pub fn digits(bytes: &[u8]) -> Option<usize> {
    let key = b"\"checksum\":\"sha256:";
    let start = bytes.windows(key.len()).position(|window| window == key)? + key.len();
    (bytes.len() >= start + 64).then_some(start)
}

/// Puts the right checksum into a file, so that what else is wrong with it is what is found.
pub fn seal(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some(start) = digits(&bytes) {
        bytes[start..start + 64].fill(b'0');
        let sum = Sha256::digest(&bytes);
        for (index, byte) in sum.iter().enumerate() {
            let text = format!("{byte:02x}");
            bytes[start + 2 * index..][..2].copy_from_slice(text.as_bytes());
        }
    }
    bytes
}

/// The `__metadata__` of a model file, and whatever follows it in the header.
pub fn model_header(config: &str, rest: &str) -> String {
    let config = serde_json::to_string(config).unwrap();
    format!(
        "{{\"__metadata__\":{{\"checksum\":\"{NO_CHECKSUM}\",\"config\":{config},\"created_by\":\"0.1.0\",\"format\":\"cellstate\",\"format_version\":\"1\"}}{rest}}}"
    )
}
