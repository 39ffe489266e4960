package edgeq.runner.app;

import android.content.Context;
import android.os.PowerManager;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Android's thermal status (0 none to 6 shutdown) and its changes since the app began. By reflection: the stubs that
 * this compiles against are of API 23, and the calls came with API 29.
 */
final class ThermalStatus implements InvocationHandler {
    private final PowerManager power;
    private final List<Object> changes = new ArrayList<>();

    private ThermalStatus(PowerManager power) {
        this.power = power;
    }

    /** Listens from now on; null when this Android has no such calls. */
    static ThermalStatus listen(Context context) {
        ThermalStatus status = new ThermalStatus((PowerManager) context.getSystemService(Context.POWER_SERVICE));
        try {
            Class<?> type = Class.forName("android.os.PowerManager$OnThermalStatusChangedListener");
            Object listener = Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, status);
            PowerManager.class.getMethod("addThermalStatusListener", type).invoke(status.power, listener);
            return status;
        } catch (ReflectiveOperationException missing) {
            return null;
        }
    }

    /** The status, or null when it cannot be asked. */
    Object now() {
        try {
            return PowerManager.class.getMethod("getCurrentThermalStatus").invoke(power);
        } catch (ReflectiveOperationException missing) {
            return null;
        }
    }

    /** Pairs of System.nanoTime and status. */
    synchronized List<Object> changes() {
        return new ArrayList<>(changes);
    }

    @Override
    public Object invoke(Object proxy, Method method, Object[] arguments) {
        if (method.getName().equals("onThermalStatusChanged")) {
            synchronized (this) {
                changes.add(Arrays.<Object>asList(System.nanoTime(), (Integer) arguments[0]));
            }
            return null;
        }
        // Object's own: a listener is kept in a map.
        if (method.getName().equals("hashCode")) {
            return System.identityHashCode(proxy);
        }
        return method.getName().equals("equals") ? (Object) (proxy == arguments[0]) : "edgeq's thermal listener";
    }
}
