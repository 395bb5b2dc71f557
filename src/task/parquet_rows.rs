//! Parquet, batch by batch, each row turned into the JSON object that a JSONL file would hold.
//!
//! Only columns that a task has are read: oracle and retrieval variants carry whole prompts and token ids beside them.

use std::fs::File;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, TimeUnit};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Map, Value, json};

use super::load::Intake;
use super::row::COLUMNS;

/// Rows decoded at a time: patches of one batch stay in the tens of megabytes.
const BATCH: usize = 256;

pub(super) fn read(path: &Path, origin: &str, intake: &mut Intake) -> std::io::Result<()> {
    let file = File::open(path)?;
    let mut row = 0;
    if let Err(error) = batches(file, |batch| {
        for at in 0..batch.num_rows() {
            row += 1;
            match object(batch, at) {
                Ok(object) => intake.row(origin, row, &object),
                Err(what) => intake.problem(origin, row, what),
            }
        }
    }) {
        let what = format!("not a readable Parquet file after row {row}: {error}");
        intake.problem(origin, 0, what);
    }
    Ok(())
}

fn batches(
    file: File,
    mut each: impl FnMut(&RecordBatch),
) -> Result<(), parquet::errors::ParquetError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file)?;
    let wanted: Vec<usize> = builder
        .schema()
        .fields()
        .iter()
        .enumerate()
        .filter(|(_, field)| COLUMNS.contains(&field.name().as_str()))
        .map(|(index, _)| index)
        .collect();
    let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
    for batch in builder
        .with_projection(mask)
        .with_batch_size(BATCH)
        .build()?
    {
        each(&batch?);
    }
    Ok(())
}

fn object(batch: &RecordBatch, at: usize) -> Result<Map<String, Value>, String> {
    let mut object = Map::new();
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let value = value(column, at).map_err(|what| format!("`{}`: {what}", field.name()))?;
        object.insert(field.name().clone(), value);
    }
    Ok(object)
}

/// One cell as JSON. Nested lists and structs become arrays and objects, dictionaries what they stand for.
fn value(column: &ArrayRef, at: usize) -> Result<Value, String> {
    if column.is_null(at) {
        return Ok(Value::Null);
    }
    Ok(match column.data_type() {
        DataType::Null => Value::Null,
        DataType::Utf8 => Value::from(column.as_string::<i32>().value(at)),
        DataType::LargeUtf8 => Value::from(column.as_string::<i64>().value(at)),
        DataType::Utf8View => Value::from(column.as_string_view().value(at)),
        DataType::Binary => text(column.as_binary::<i32>().value(at))?,
        DataType::LargeBinary => text(column.as_binary::<i64>().value(at))?,
        DataType::Boolean => Value::from(column.as_boolean().value(at)),
        DataType::Int8 => json!(column.as_primitive::<Int8Type>().value(at)),
        DataType::Int16 => json!(column.as_primitive::<Int16Type>().value(at)),
        DataType::Int32 => json!(column.as_primitive::<Int32Type>().value(at)),
        DataType::Int64 => json!(column.as_primitive::<Int64Type>().value(at)),
        DataType::UInt8 => json!(column.as_primitive::<UInt8Type>().value(at)),
        DataType::UInt16 => json!(column.as_primitive::<UInt16Type>().value(at)),
        DataType::UInt32 => json!(column.as_primitive::<UInt32Type>().value(at)),
        DataType::UInt64 => json!(column.as_primitive::<UInt64Type>().value(at)),
        DataType::Float32 => json!(column.as_primitive::<Float32Type>().value(at)),
        DataType::Float64 => json!(column.as_primitive::<Float64Type>().value(at)),
        DataType::Timestamp(unit, _) => timestamp(column, *unit, at),
        DataType::List(_) => list(&column.as_list::<i32>().value(at))?,
        DataType::LargeList(_) => list(&column.as_list::<i64>().value(at))?,
        DataType::FixedSizeList(..) => list(&column.as_fixed_size_list().value(at))?,
        DataType::Struct(fields) => {
            let mut object = Map::new();
            for (field, part) in fields.iter().zip(column.as_struct().columns()) {
                object.insert(field.name().clone(), value(part, at)?);
            }
            Value::Object(object)
        }
        DataType::Dictionary(..) => {
            let dictionary = column.as_any_dictionary();
            let keys = dictionary.normalized_keys();
            let key = keys.get(at).ok_or("a dictionary key is missing")?;
            value(dictionary.values(), *key)?
        }
        other => return Err(format!("columns of type {other} are not read")),
    })
}

fn list(items: &ArrayRef) -> Result<Value, String> {
    (0..items.len()).map(|at| value(items, at)).collect()
}

fn text(bytes: &[u8]) -> Result<Value, String> {
    std::str::from_utf8(bytes)
        .map(Value::from)
        .map_err(|error| format!("invalid UTF-8 after byte {}", error.valid_up_to()))
}

/// ISO 8601 in UTC, as the text columns of other sets have it.
fn timestamp(column: &ArrayRef, unit: TimeUnit, at: usize) -> Value {
    let nanos = match unit {
        TimeUnit::Second => {
            i128::from(column.as_primitive::<TimestampSecondType>().value(at)) * 1_000_000_000
        }
        TimeUnit::Millisecond => {
            i128::from(column.as_primitive::<TimestampMillisecondType>().value(at)) * 1_000_000
        }
        TimeUnit::Microsecond => {
            i128::from(column.as_primitive::<TimestampMicrosecondType>().value(at)) * 1_000
        }
        TimeUnit::Nanosecond => {
            i128::from(column.as_primitive::<TimestampNanosecondType>().value(at))
        }
    };
    jiff::Timestamp::from_nanosecond(nanos)
        .map_or(Value::Null, |time| Value::from(time.to_string()))
}
