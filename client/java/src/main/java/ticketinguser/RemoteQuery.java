package ticketinguser;

import com.google.protobuf.ListValue;
import com.google.protobuf.NullValue;
import com.google.protobuf.Struct;
import com.google.protobuf.Value;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.Collection;
import java.util.Map;

/** Makes a request's {@code remote_query}. */
public final class RemoteQuery {
  private static final BigDecimal LARGEST_SAFE_INTEGER = BigDecimal.valueOf(1L << 53);

  private RemoteQuery() {}

  /**
   * The values as a message: null, booleans, strings, the numbers of {@code java.lang} and {@code java.math}, and maps
   * and collections of these.
   *
   * @throws IllegalArgumentException for an integer beyond 2^53, which would be another number on the way (give it as a
   *     string), and for what is no JSON; it says where
   */
  public static Struct of(Map<String, ?> values) {
    return struct(values, "remote_query");
  }

  private static Struct struct(Map<?, ?> values, String path) {
    Struct.Builder struct = Struct.newBuilder();
    values.forEach(
        (key, value) -> {
          if (!(key instanceof String name)) {
            throw new IllegalArgumentException("%s: the key %s is no string".formatted(path, key));
          }
          struct.putFields(name, value(value, path + "." + name));
        });
    return struct.build();
  }

  private static Value value(Object value, String path) {
    Value.Builder result = Value.newBuilder();
    if (value == null) {
      return result.setNullValue(NullValue.NULL_VALUE).build();
    }
    if (value instanceof Boolean truth) {
      return result.setBoolValue(truth).build();
    }
    if (value instanceof String text) {
      return result.setStringValue(text).build();
    }
    if (value instanceof Number number) {
      return result.setNumberValue(number(number, path)).build();
    }
    if (value instanceof Map<?, ?> map) {
      return result.setStructValue(struct(map, path)).build();
    }
    if (value instanceof Collection<?> items) {
      ListValue.Builder list = ListValue.newBuilder();
      for (Object item : items) {
        list.addValues(value(item, path + "[" + list.getValuesCount() + "]"));
      }
      return result.setListValue(list).build();
    }
    throw noJson(value.getClass().getTypeName(), path);
  }

  private static double number(Number number, String path) {
    if (number instanceof Double || number instanceof Float) {
      // 0.1f is 0.1, and not the double that is nearest to it.
      double value = Double.parseDouble(number.toString());
      if (!Double.isFinite(value)) {
        throw noJson(number.toString(), path);
      }
      return value;
    }
    BigDecimal exact = exact(number, path);
    boolean isInteger = exact.stripTrailingZeros().scale() <= 0;
    // A fraction is rounded by a double's nature.
    if (isInteger && exact.abs().compareTo(LARGEST_SAFE_INTEGER) > 0) {
      throw new IllegalArgumentException("%s: %s is beyond 2^53; give it as a string".formatted(path, number));
    }
    return exact.doubleValue();
  }

  private static BigDecimal exact(Number number, String path) {
    if (number instanceof BigDecimal decimal) {
      return decimal;
    }
    if (number instanceof BigInteger integer) {
      return new BigDecimal(integer);
    }
    if (number instanceof Long || number instanceof Integer || number instanceof Short || number instanceof Byte) {
      return BigDecimal.valueOf(number.longValue());
    }
    throw noJson(number.getClass().getTypeName(), path);
  }

  private static IllegalArgumentException noJson(String what, String path) {
    return new IllegalArgumentException("%s: %s is no JSON".formatted(path, what));
  }
}
