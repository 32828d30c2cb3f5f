package ticketinguser;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.google.protobuf.NullValue;
import com.google.protobuf.Struct;
import com.google.protobuf.Value;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

final class RemoteQueryTest {
  static List<Number> integersBeyond() {
    return List.of(
        (1L << 53) + 1,
        -(1L << 53) - 1,
        Long.MIN_VALUE,
        BigInteger.ONE.shiftLeft(64),
        new BigDecimal("9007199254740993.0"),
        new BigDecimal("-1E+1000000000"));
  }

  @ParameterizedTest
  @MethodSource("integersBeyond")
  void anIntegerThatWouldChangeIsRefused(Number value) {
    assertRefused(
        "remote_query.a[1]: " + value + " is beyond 2^53; give it as a string", Map.of("a", List.of(1, value)));
  }

  @Test
  void aNumberThatADoubleCarriesIsTaken() {
    Struct query =
        RemoteQuery.of(
            Map.of(
                "long", 1L << 53,
                "decimal", new BigDecimal("0.1"),
                "integer", BigInteger.TEN.negate(),
                "float", 0.1f,
                "double", 1e300,
                "byte", (byte) 7));
    assertEquals(
        Map.of(
            "long", number(1L << 53),
            "decimal", number(0.1),
            "integer", number(-10),
            "float", number(0.1),
            "double", number(1e300),
            "byte", number(7)),
        query.getFieldsMap());
  }

  private static Value number(double number) {
    return Value.newBuilder().setNumberValue(number).build();
  }

  @Test
  void everythingElseThatIsJsonIsTaken() {
    Struct query =
        RemoteQuery.of(
            Map.of("a", Arrays.asList(null, true, "9223372036854775807"), "größe", Map.of("b", "Ω 😀")));
    assertEquals(
        List.of(
            Value.newBuilder().setNullValue(NullValue.NULL_VALUE).build(),
            Value.newBuilder().setBoolValue(true).build(),
            Value.newBuilder().setStringValue("9223372036854775807").build()),
        query.getFieldsOrThrow("a").getListValue().getValuesList());
    assertEquals("Ω 😀", query.getFieldsOrThrow("größe").getStructValue().getFieldsOrThrow("b").getStringValue());
  }

  @Test
  void whatIsNoJsonIsRefused() {
    assertRefused("remote_query.a: java.time.Instant is no JSON", Map.of("a", Instant.EPOCH));
    assertRefused("remote_query.a: int[] is no JSON", Map.of("a", new int[] {1}));
    assertRefused("remote_query.a.b: NaN is no JSON", Map.of("a", Map.of("b", Double.NaN)));
    assertRefused("remote_query.a: -Infinity is no JSON", Map.of("a", Float.NEGATIVE_INFINITY));
    assertRefused("remote_query.a: the key 1 is no string", Map.of("a", Map.of(1, "b")));
  }

  private static void assertRefused(String message, Map<String, ?> values) {
    assertEquals(message, assertThrows(IllegalArgumentException.class, () -> RemoteQuery.of(values)).getMessage());
  }
}
