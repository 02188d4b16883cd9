package demo;
public class Shout extends org.apache.flink.table.functions.ScalarFunction {
    public String eval(String text) { return text.toUpperCase() + "!"; }
}
