//! How the parts of the format are read where a derived reader would explain itself badly, and
//! what a setting is when it is left out.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::CallFile;

/// A call in a stage: written out, or the name of a fragment.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Step {
    /// Name of a fragment.
    Fragment(String),
    /// The call itself.
    Call(Box<CallFile>),
}

/// Not derived: an untagged enum forgets what is wrong with the call, and where.
impl<'de> Deserialize<'de> for Step {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Step;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a call, or the name of a fragment")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Step, E> {
                Ok(Step::Fragment(name.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Step, A::Error> {
                CallFile::deserialize(MapAccessDeserializer::new(map)).map(|call| Step::Call(Box::new(call)))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// A bound, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit<T> {
    /// None: "unlimited" in the file.
    Unlimited,
    /// This.
    Of(T),
}

impl<T> Limit<T> {
    /// The bound, if there is one.
    pub fn bound(self) -> Option<T> {
        match self {
            Self::Unlimited => None,
            Self::Of(bound) => Some(bound),
        }
    }
}

const UNLIMITED: &str = "unlimited";

impl<T: Serialize> Serialize for Limit<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Unlimited => serializer.serialize_str(UNLIMITED),
            Self::Of(bound) => bound.serialize(serializer),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Limit<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Reader<T> {
            type Value = Limit<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a number or \"{UNLIMITED}\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Limit<T>, E> {
                match text {
                    UNLIMITED => Ok(Limit::Unlimited),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Limit<T>, E> {
                T::deserialize(de::value::U64Deserializer::new(value)).map(Limit::Of)
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Limit<T>, E> {
                T::deserialize(de::value::I64Deserializer::new(value)).map(Limit::Of)
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Limit<T>, E> {
                T::deserialize(de::value::F64Deserializer::new(value)).map(Limit::Of)
            }
        }
        deserializer.deserialize_any(Reader(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for Limit<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Limit_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let bound = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [bound, { "const": UNLIMITED }] })
    }
}

/// Reads a map whose keys must differ: the derived reader keeps the last and says nothing.
pub fn unique<'de, K, V, D>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
where
    K: Deserialize<'de> + Ord + fmt::Debug,
    V: Deserialize<'de>,
    D: Deserializer<'de>,
{
    struct Reader<K, V>(PhantomData<(K, V)>);
    impl<'de, K: Deserialize<'de> + Ord + fmt::Debug, V: Deserialize<'de>> Visitor<'de> for Reader<K, V> {
        type Value = BTreeMap<K, V>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut read = BTreeMap::new();
            while let Some(key) = map.next_key()? {
                if read.contains_key(&key) {
                    return Err(de::Error::custom(format_args!("{key:?} stands here twice")));
                }
                read.insert(key, map.next_value()?);
            }
            Ok(read)
        }
    }
    deserializer.deserialize_map(Reader(PhantomData))
}

pub fn one() -> f64 {
    1.0
}

pub fn is_one(value: &f64) -> bool {
    *value == one()
}

pub fn utilisation() -> f64 {
    0.4
}

pub fn is_utilisation(value: &f64) -> bool {
    *value == utilisation()
}

pub fn p99() -> f64 {
    0.99
}

pub fn cv() -> f64 {
    0.7
}

pub fn is_cv(value: &f64) -> bool {
    *value == cv()
}

pub fn disk_mean_us() -> f64 {
    5000.0
}

pub fn disk_bytes() -> u32 {
    16_384
}

pub fn yes() -> bool {
    true
}

pub fn is_yes(value: &bool) -> bool {
    *value
}

pub fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
