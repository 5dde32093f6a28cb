import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.security.Security;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Hashtable;
import java.util.List;
import javax.naming.NamingException;
import javax.naming.directory.Attribute;
import javax.naming.directory.DirContext;
import javax.naming.directory.InitialDirContext;

/**
 * Reads names, one a line, and prints the addresses of each in a line, or "error: " and a reason.
 * The argument is "jndi", or how many seconds InetAddress keeps what it found.
 */
class Lookup {
	public static void main(String[] args) throws Exception {
		boolean jndi = args[0].equals("jndi");
		if (!jndi) {
			Security.setProperty("networkaddress.cache.ttl", args[0]);
			Security.setProperty("networkaddress.cache.negative.ttl", args[0]);
		}
		BufferedReader names = new BufferedReader(new InputStreamReader(System.in));
		for (String name = names.readLine(); name != null; name = names.readLine()) {
			String line;
			try {
				line = String.join(" ", jndi ? directory(name) : addresses(name));
			} catch (UnknownHostException | NamingException e) {
				line = "error: " + e;
			}
			System.out.println(line.replace('\n', ' '));
			System.out.flush();
		}
	}

	/** The resolver of nearly all programs: getaddrinfo, and a cache in front of it. */
	private static List<String> addresses(String name) throws UnknownHostException {
		List<String> found = new ArrayList<>();
		for (InetAddress addr : InetAddress.getAllByName(name)) {
			found.add(addr.getHostAddress());
		}
		return found;
	}

	/** The JDK's own DNS client, with the name servers of resolv.conf. */
	private static List<String> directory(String name) throws NamingException {
		Hashtable<String, String> env = new Hashtable<>();
		env.put("java.naming.factory.initial", "com.sun.jndi.dns.DnsContextFactory");
		env.put("java.naming.provider.url", "dns:");
		DirContext servers = new InitialDirContext(env);
		List<String> found = new ArrayList<>();
		try {
			for (String type : new String[] {"A", "AAAA"}) {
				Attribute records = servers.getAttributes(name, new String[] {type}).get(type);
				if (records != null) {
					for (Object addr : Collections.list(records.getAll())) {
						found.add(addr.toString());
					}
				}
			}
		} finally {
			servers.close();
		}
		return found;
	}
}
