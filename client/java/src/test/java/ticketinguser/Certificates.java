package ticketinguser;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.Key;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;

/** An authority and the certificates that it signs, in files of a folder; by the JDK's keytool. */
final class Certificates {
  private static final String PASSWORD = "password";

  private final Path folder;

  Certificates(Path folder) throws Exception {
    this.folder = folder;
    make("authority", "-ext", "bc:critical=ca:true", "-ext", "ku:critical=keyCertSign");
  }

  Path caFile() {
    return folder.resolve("authority.pem");
  }

  /** The certificate of {@link #issue}. */
  Path certificateFile(String name) {
    return folder.resolve(name + ".pem");
  }

  /** Its key. */
  Path keyFile(String name) {
    return folder.resolve(name + ".key");
  }

  /** Makes a certificate for a DNS name, and its key. */
  Certificates issue(String name) throws Exception {
    make(name, "-signer", "authority", "-ext", "san=dns:" + name, "-ext", "eku=serverAuth,clientAuth");
    return this;
  }

  private void make(String name, String... options) throws Exception {
    Path store = folder.resolve("store");
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "keytool").toString());
    command.addAll(List.of("-genkeypair", "-alias", name, "-dname", "CN=" + name));
    command.addAll(List.of("-keyalg", "EC", "-groupname", "secp256r1", "-startdate", "-1H", "-validity", "1"));
    command.addAll(List.of("-keystore", store.toString(), "-storepass", PASSWORD));
    command.addAll(List.of(options));
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes());
    if (process.waitFor() != 0) {
      throw new IllegalStateException(output);
    }
    write(KeyStore.getInstance("PKCS12"), store, name);
  }

  private void write(KeyStore keys, Path store, String name) throws IOException, GeneralSecurityException {
    try (InputStream input = Files.newInputStream(store)) {
      keys.load(input, PASSWORD.toCharArray());
    }
    Certificate certificate = keys.getCertificate(name);
    Key key = keys.getKey(name, PASSWORD.toCharArray());
    Files.writeString(certificateFile(name), pem("CERTIFICATE", certificate.getEncoded()));
    Files.writeString(keyFile(name), pem("PRIVATE KEY", key.getEncoded()));
  }

  private static String pem(String kind, byte[] content) {
    String text = Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(content);
    return "-----BEGIN %s-----\n%s\n-----END %1$s-----\n".formatted(kind, text);
  }
}
